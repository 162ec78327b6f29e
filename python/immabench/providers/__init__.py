"""Who computes a problem: one small file a provider. `registry` finds them, third-party ones included."""
