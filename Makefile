# What there is to do here; each line calls a script of scripts/, which say more. `make` alone lists them.

.PHONY: help build demo test quick header lint install-tools soak zero-loss-20 simulate mutants faults chaos check-deep bench

help:
	@echo 'make build          the C library: target/release/libecewo_cluster.a and .so'
	@echo 'make demo           build, and start a small clustered HTTP server (PORT=3000 WORKERS=4 to choose)'
	@echo 'make test           install what is missing, and test everything'
	@echo 'make quick          the part of it that is worth a run before every commit'
	@echo 'make soak           restarts and crashes under load, long form, for SECONDS (600)'
	@echo 'make zero-loss-20   the same in the short form, 20 times, on a busy machine'
	@echo 'make simulate       a million histories of the core in a fake kernel (SEEDS=, or SEED= to see one)'
	@echo 'make mutants        plant bugs in the core: the simulator has to find each'
	@echo 'make faults         every system call of a master fails, at every place; minutes (SEED= to repeat)'
	@echo 'make chaos          random troubles under load, for SECONDS (60); KILLS=10000: only kills; SEED= to repeat'
	@echo 'make check-deep     sanitizers, valgrind, fuzzing, coverage, licences, other targets (PARTS="address fuzz")'
	@echo 'make bench          side by side with nginx, HAProxy, Node, PM2, gunicorn, Puma, uWSGI; installs them; 30 minutes'
	@echo 'make header         write the headers in include/ anew from src/ffi'
	@echo 'make lint           rustfmt, clippy and shellcheck; warnings are errors'
	@echo 'make install-tools  what the tests need, with the package manager of the system'

build:
	@env -u MAKEFLAGS cargo build --release --locked

demo test header lint install-tools:
	@scripts/$@

quick:
	@scripts/test quick

soak:
	@scripts/test-zero-loss static --soak $(or $(SECONDS),600)

zero-loss-20:
	@scripts/zero-loss-20

simulate:
	@SEED='$(SEED)' SEEDS='$(SEEDS)' scripts/simulate

mutants:
	@scripts/mutants

faults:
	@scripts/test-faults --full $(if $(SEED),--seed $(SEED))

chaos:
	@scripts/test-chaos --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS))

check-deep:
	@scripts/check-deep $(PARTS)

bench:
	@benches/peers/run
