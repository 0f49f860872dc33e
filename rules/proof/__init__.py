"""The exhaustive proof: probes through the kernel, against the policy."""
