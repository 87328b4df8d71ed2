// Node's cluster module after its documentation: the primary forks, a worker that dies is replaced, and SIGUSR2 replaces all of
// them, one after the other, each new one listening before its predecessor is disconnected.
'use strict';
const cluster = require('node:cluster');
const http = require('node:http');

const port = Number(process.argv[2]);
const count = Number(process.argv[3]);

function primary() {
  let stopping = false;
  let restarting = false;

  cluster.on('exit', (worker) => {
    if (!stopping && !worker.exitedAfterDisconnect) {
      cluster.fork();
    }
  });

  function replace(old, then) {
    const replacement = cluster.fork();
    replacement.once('listening', () => {
      old.send('stop');
      old.once('exit', then);
      old.disconnect();
      // The bound for connections that do not end.
      setTimeout(() => old.process.kill('SIGKILL'), 2000).unref();
    });
  }

  process.on('SIGUSR2', () => {
    if (restarting) {
      return;
    }
    restarting = true;
    const old = Object.values(cluster.workers);
    const next = () => {
      const worker = old.shift();
      if (worker) {
        replace(worker, next);
      } else {
        restarting = false;
      }
    };
    next();
  });

  process.on('SIGTERM', () => {
    stopping = true;
    // cluster.disconnect() would not wait for their end.
    const workers = Object.values(cluster.workers);
    let left = workers.length;
    for (const worker of workers) {
      worker.once('exit', () => --left || process.exit(0));
      worker.send('stop');
      worker.disconnect();
      setTimeout(() => worker.process.kill('SIGKILL'), 2000);
    }
  });

  for (let i = 0; i < count; i++) {
    cluster.fork();
  }
}

function worker() {
  let stopping = false;
  process.on('message', (message) => {
    if (message === 'stop') {
      stopping = true;
    }
  });
  http.createServer((request, response) => {
    response.setHeader('X-Id', new URL(request.url, 'http://host').searchParams.get('id') ?? 0);
    response.setHeader('X-Pid', process.pid);
    response.setHeader('Content-Type', 'text/plain');
    if (stopping) {
      // The way to end kept-alive connections without a loss.
      response.setHeader('Connection', 'close');
    }
    response.end('Hello, world!\n');
  }).listen(port, '0.0.0.0');
}

if (cluster.isPrimary) {
  primary();
} else {
  worker();
}
