"""The published ``ResourcePool`` names."""

from __future__ import annotations

from ipfs_accelerate.compat.resource_pool import ResourcePool


def test_models_are_shared_by_name_and_closed_by_cleanup(scripted, model_path, tensors):
    pool = ResourcePool(scripted("one", "two"))
    model = pool.get_model("text_embedding", str(model_path))
    assert pool.get_model("text_embedding", str(model_path)) is model
    assert model.run(tensors)["output"].shape == (1, 4, 32)
    assert (pool.get_stats()["sessions"], pool.get_stats()["leases"]) == (1, 1)
    session = model.sessions["model"]
    pool.cleanup()
    assert session.is_closed
    assert pool.get_stats()["sessions"] == 0


def test_preferred_hardware_comes_first_and_absent_hardware_is_passed_over(scripted, model_path):
    pool = ResourcePool(scripted("one", "two"))
    wanted = {"priority_list": ["webgpu", "two", "one"]}
    model = pool.get_model("text_embedding", str(model_path), hardware_preferences=wanted)
    assert model.target.device == "two"
    pool.cleanup()
