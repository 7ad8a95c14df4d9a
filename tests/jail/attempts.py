"""Every attempt to escape, in the order of the table."""

import attempts_files
import attempts_kernel
import attempts_memory
import attempts_network
import attempts_processes

ATTEMPTS = (
    *attempts_files.ATTEMPTS,
    *attempts_network.ATTEMPTS,
    *attempts_processes.ATTEMPTS,
    *attempts_memory.ATTEMPTS,
    *attempts_kernel.ATTEMPTS,
)
