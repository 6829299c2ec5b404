"""Running things: code on machine states in isolation, code in this process, whole commands.

Modules are imported by name (``burnish.runtime.isolation``, ``burnish.runtime.memory`` …): what needs none of the
native core does not pay for loading it.
"""
