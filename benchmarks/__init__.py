"""Speed and memory beside what people use today: `make bench`, or `python -m benchmarks [PART...]`."""
