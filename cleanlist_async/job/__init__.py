"""The durable bulk job: kill it anywhere, resume it, pay for nothing twice."""
