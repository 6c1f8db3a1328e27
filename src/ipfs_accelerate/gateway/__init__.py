"""Remote model services, and the local models, behind one reliable client.

Providers translate, the reliability core decides, the transport sends. Nothing of the runtimes
lives here: local models come in through a plugin hook.
"""
