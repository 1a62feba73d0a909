"""The local AWS: one loopback endpoint in front of ministack (in this process) and moto (a child process)."""
