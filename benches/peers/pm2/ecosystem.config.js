module.exports = {
  apps: [{
    name: 'hello',
    script: '{here}/pm2/app.js',
    exec_mode: 'cluster',
    instances: {workers},
    wait_ready: true,
    kill_timeout: 2000,
    env: { PEER_PORT: '{port}' },
  }],
};
