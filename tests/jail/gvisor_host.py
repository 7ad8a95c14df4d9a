"""Started in place of gVisor's keeper: the same, with a worker that was taken over.

gvisor_host.py MODE RUNSC DESCRIPTORS...
"""

import os
import sys
from dataclasses import replace

from mlsign.sandbox.gvisor import bundle as gvisor_bundle
from mlsign.sandbox.gvisor import keeper as gvisor_keeper

HERE = os.path.dirname(os.path.abspath(__file__))
honest_search = gvisor_keeper.find_installation


def find_installation():
    found = honest_search()
    return replace(found, search=(*found.search, HERE), sources=(*found.sources, HERE))


if __name__ == "__main__":
    gvisor_bundle.ENVIRONMENT = {**gvisor_bundle.ENVIRONMENT, "MODE": sys.argv.pop(1)}
    gvisor_keeper.find_installation = find_installation
    gvisor_keeper.main(module="gvisor_inmate")
