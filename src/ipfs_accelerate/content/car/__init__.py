"""CAR archives, versions 1 and 2: a stream of blocks with the roots they belong to.

Reading verifies every block and believes no length; nothing is kept in memory but one block.
"""

from ipfs_accelerate.content.car.indexed import IndexedCar
from ipfs_accelerate.content.car.reader import CarReader, read_car
from ipfs_accelerate.content.car.transfer import ImportedCar, export_car, import_car
from ipfs_accelerate.content.car.writer import write_car

__all__ = [
    "CarReader",
    "ImportedCar",
    "IndexedCar",
    "export_car",
    "import_car",
    "read_car",
    "write_car",
]
