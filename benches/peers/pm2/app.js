// PM2's cluster mode after its documentation: the program is a plain server; SIGINT asks it to finish.
'use strict';
const http = require('node:http');

const server = http.createServer((request, response) => {
  response.setHeader('X-Id', new URL(request.url, 'http://host').searchParams.get('id') ?? 0);
  response.setHeader('X-Pid', process.pid);
  response.setHeader('Content-Type', 'text/plain');
  response.end('Hello, world!\n');
});
server.listen(Number(process.env.PEER_PORT), '0.0.0.0', () => process.send('ready'));
process.on('SIGINT', () => server.close(() => process.exit(0)));
