# Thin on purpose: the work is in scripts/ (python3 scripts --help).
PYTHON ?= python3

.PHONY: demo stop clean status test lint bench setup

demo:     ## everything up, readings flowing; prints the address and log-ins
	@$(PYTHON) scripts demo
stop:     ## stop what `make demo` started; data stays
	@$(PYTHON) scripts stop
clean:    ## stop, and delete .local/ with all demo data
	@$(PYTHON) scripts clean
status:   ## what runs, on which port
	@$(PYTHON) scripts status
setup:    ## only fetch and prepare what demo and test need
	@$(PYTHON) scripts setup
test:     ## all tests; a skipped test fails the run
	@$(PYTHON) scripts test $(TESTS)
lint:     ## the linters of the OCA template
	@$(PYTHON) scripts lint
bench:    ## the benchmarks, each with its ratio
	@$(PYTHON) scripts bench $(BENCH)
