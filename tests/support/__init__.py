"""What tests stand on: real servers, a faulty network, child processes, ledgers, the checker."""
