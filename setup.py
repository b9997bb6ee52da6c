"""Where each top-level folder lands in the import package; all else is in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {
    "fewframes": "engine",
    "fewframes.kernels": "kernels",
    "fewframes.bindings": "bindings",
    "fewframes.bench": "bench",
}
NOT_SHIPPED = ["research*", "results*", "suite*"]
"""Folders of `bench` that a checkout has and a wheel has not."""

setup(
    package_dir=FOLDERS,
    packages=[*FOLDERS]
    + [
        f"{name}.{sub}"
        for name, folder in FOLDERS.items()
        for sub in find_packages(folder, exclude=NOT_SHIPPED)
    ],
)
