"""``hostile`` with the reference evaluator in its workers, and nothing of onnxruntime.

hostile_reference.py MODE REQUESTS_FD
"""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))  # an isolated interpreter does not look beside the script

import hostile

from mlsign.sandbox.reference import engine as reference

if __name__ == "__main__":
    hostile.main(reference, reference.Reference(), reference.Calls)
