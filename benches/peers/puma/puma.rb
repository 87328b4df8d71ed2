workers {workers}
threads 1, 5
bind 'tcp://0.0.0.0:{port}'
rackup '{here}/puma/config.ru'
environment 'production'
# A phased restart needs workers that load the program themselves.
preload_app! false
worker_shutdown_timeout 2
