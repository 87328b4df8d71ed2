# The Rack program of Puma.
run lambda { |environment|
  id = environment['QUERY_STRING'][/(?:\A|&)id=(\d+)/, 1] || '0'
  [200, { 'Content-Type' => 'text/plain', 'X-Id' => id, 'X-Pid' => Process.pid.to_s }, ["Hello, world!\n"]]
}
