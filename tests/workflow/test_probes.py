"""The probes are a target of their own, for every dataset that fills a slot."""


def test_probes_are_planned_for_every_slots_dataset_and_are_no_part_of_all(project):
    planned = project.planned("demo_probes", "--forcerun", "probe_dataset")
    assert planned["probe_dataset"] == 4
    assert not {"train_emodc", "evaluate_emodc", "align_faces"} & planned.keys()
    assert "probe_dataset" not in project.planned("--forceall", "all")
