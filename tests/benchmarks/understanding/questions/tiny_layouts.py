"""Tiny data sets in the layouts that the real ones are published in: our clips, our questions."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MVBENCH_FOLDERS = {
    "action_antonym": "ssv2_video_mp4",
    "action_count": "perception/videos",
    "action_localization": "sta/sta_video_segment",
    "action_prediction": "star/Charades_segment",
    "action_sequence": "star/Charades_segment",
    "character_order": "perception/videos",
    "counterfactual_inference": "clevrer/video_validation",
    "egocentric_navigation": "vlnqa",
    "episodic_reasoning": "tvqa/video_fps3_hq_segment",
    "fine_grained_action": "Moments_in_Time_Raw/videos",
    "fine_grained_pose": "nturgbd_convert",
    "moving_attribute": "clevrer/video_validation",
    "moving_count": "clevrer/video_validation",
    "moving_direction": "clevrer/video_validation",
    "object_existence": "clevrer/video_validation",
    "object_interaction": "star/Charades_segment",
    "object_shuffle": "perception/videos",
    "scene_transition": "scene_qa/video",
    "state_change": "perception/videos",
    "unexpected_action": "FunQA_test/test",
}
TVBENCH_TASKS = (
    "action_antonym", "action_count", "action_localization", "action_sequence", "egocentric_sequence",
    "moving_direction", "object_count", "object_shuffle", "scene_transition", "unexpected_action",
)  # fmt: skip


class TinyData:
    """Writes one data set; `right` collects, by our question id, the option's label or text that is right."""

    def __init__(self, folder: Path, clips: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        self.folder = folder
        self.clips = clips
        self.pictures = pictures
        self.right: dict[str, str] = {}
        self.n_questions = 0

    def clip(self, path: str, number: int = 0) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.clips[number % len(self.clips)])

    def zipped(self, path: str, members: Mapping[str, bytes]) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    def parquet(self, path: str, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow
        import pyarrow.parquet

        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), target)

    def json(self, path: str, document: Any) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document, ensure_ascii=False), "utf-8")

    def csv(self, path: str, rows: Sequence[Mapping[str, Any]]) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def mvbench(data: TinyData) -> None:
    """JSON per task, clips in the folders of their sources; one source zipped, one as pictures."""
    for number, (task, folder) in enumerate(MVBENCH_FOLDERS.items()):
        video = f"{task}.mp4" if task != "episodic_reasoning" else "friends_s01"
        options = ["left", "right", "up", "down"]
        rows = [
            {
                "video": video,
                "question": f"Where does it go in {task}?",
                "candidates": options,
                "answer": options[i],
            }
            for i in (number % 4, (number + 1) % 4)
        ]
        data.json(f"json/{task}.json", rows)
        data.right |= {f"{task}/{i}": "ABCD"[(number + i) % 4] for i in (0, 1)}
        if folder.startswith("clevrer"):
            continue
        if task == "episodic_reasoning":
            for i, picture in enumerate(data.pictures):
                target = data.folder / folder / video / f"{i + 1}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(picture)
            continue
        data.clip(f"{folder}/{video}", number)
    clevrer = [task for task, folder in MVBENCH_FOLDERS.items() if folder.startswith("clevrer")]
    members = {f"video_validation/{task}.mp4": data.clips[i % 2] for i, task in enumerate(clevrer)}
    data.zipped("video/clevrer.zip", members)


def videomme(data: TinyData) -> None:
    """Parquet, options that carry their letters, clips in two zip files, three questions a clip."""
    rows = []
    for i in range(6):
        rows.append(
            {
                "video_id": f"{i // 3:03}",
                "duration": ("short", "long")[i // 3],
                "domain": ("Knowledge", "Sports Competition")[i // 3],
                "sub_category": "Astronomy",
                "videoID": f"clip-{i // 3}",
                "question_id": f"{i // 3:03}-{i % 3 + 1}",
                "task_type": "Counting Problem",
                "question": f"How many are there, {i}?",
                "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."],
                "answer": "ABCD"[i % 4],
            }
        )
        data.right[rows[-1]["question_id"]] = "ABCD"[i % 4]
    data.parquet("videomme/test-00000-of-00001.parquet", rows)
    data.zipped("videos_chunked_01.zip", {"data/clip-0.mp4": data.clips[0]})
    data.zipped("videos_chunked_02.zip", {"data/clip-1.mp4": data.clips[1]})


def nextqa(data: TinyData) -> None:
    """Two Parquet shards, options in five columns, a number as the video's name."""
    for shard in range(2):
        rows = [
            {
                "video": 4000 + i,
                "question": "why did it turn",
                "type": ("CW", "TN")[i],
                "answer": (shard + i) % 5,
                **{f"a{k}": f"reason {k}" for k in range(5)},
            }
            for i in range(2)
        ]
        data.parquet(f"MC/test-0000{shard}-of-00002.parquet", rows)
        data.right |= {str(2 * shard + i): "ABCDE"[(shard + i) % 5] for i in range(2)}
    data.clip("NExTVideo/4000.mp4")
    data.clip("NExTVideo/4001.mp4", 1)


def egoschema(data: TinyData) -> None:
    """Subset with answers, the full set without, the answer as text that is a number."""
    options = [f"{letter}. C does thing {i}" for i, letter in enumerate("ABCDE")]
    rows = [
        {
            "question_idx": str(i),
            "question": "What does C do?",
            "video_idx": f"v{i}",
            "option": options,
            "answer": str(i),
        }
        for i in range(2)
    ]
    data.parquet("Subset/test-00000-of-00001.parquet", rows)
    data.parquet("GENERATION/test-00000-of-00001.parquet", [{**row, "answer": None} for row in rows])
    data.right |= {f"Subset/{i}": "ABCDE"[i] for i in range(2)}
    data.clip("videos/v0.mp4")
    data.clip("videos/v1.MP4", 1)


def perceptiontest(data: TinyData) -> None:
    """Three options without letters, tags as a list."""
    rows = [
        {
            "video_name": f"video_{i}",
            "question": "Is it still?",
            "question_id": "0",
            "options": ["yes", "no", "sometimes"],
            "answer_id": str(i),
            "area": ("physics", "memory")[i],
            "reasoning": "descriptive",
            "tag": ["motion", "stability"][: i + 1],
        }
        for i in range(2)
    ]
    data.parquet("mc_question_val/validation-00000-of-00001.parquet", rows)
    data.right |= {"0": "A", "1": "B"}
    data.clip("videos/video_0.mp4")
    data.clip("videos/video_1.mp4", 1)


def tempcompass(data: TinyData) -> None:
    """Four folders; options listed in the question's text, in two ways."""
    base = {"video_id": "77", "dim": "direction"}
    choices = "Which way?\nA. left\nB. right\nC. up"
    data.parquet("multi-choice/test-0.parquet", [{**base, "question": choices, "answer": "B. right"}])
    data.parquet(
        "yes_no/test-0.parquet",
        [
            {**base, "question": "Does it go right?", "answer": "yes"},
            {**base, "dim": "speed", "question": "Is it slow?", "answer": "no"},
        ],
    )
    captions = "Which sentence better matches?\nSentence A: It goes left.\nSentence B: It goes right."
    numbered = "Which caption matches the video better?\nOption 1: It goes right.\nOption 2: It goes up."
    data.parquet(
        "caption_matching/test-0.parquet",
        [
            {**base, "question": captions, "answer": "Sentence B: It goes right."},
            {**base, "question": numbered, "answer": "Option 1: It goes right."},
        ],
    )
    data.parquet(
        "captioning/test-0.parquet",
        [
            {
                **base,
                "question": "Describe how it moves.",
                "mc_question": choices,
                "mc_answer": "B. right",
            }
        ],
    )
    data.right |= {"multi-choice/0": "B", "yes_no/0": "yes", "yes_no/1": "no"}
    data.right |= {"caption_matching/0": "B", "caption_matching/1": "1"}
    data.clip("videos/77.mp4")


def mlvu(data: TinyData) -> None:
    """Options in brackets in the question's text; clips in a tar file."""
    listing = "\n".join(
        f"({letter}) {text}" for letter, text in zip("ABCD", ("one", "two", "three", "four"), strict=True)
    )
    rows = [
        {
            "video_name": f"{i}.mp4",
            "question": f"How many?\n{listing}",
            "answer": "ABCD"[i],
            "task_type": kind,
        }
        for i, kind in enumerate(("count", "order", "order"))
    ]
    data.parquet("MLVU_dev/data/test-00000-of-00001.parquet", rows)
    data.right |= {f"dev/{i}": "ABCD"[i] for i in range(3)}
    with tarfile.open(data.folder / "MLVU_dev/videos.tar.gz", "w:gz") as tar:
        for i in range(3):
            info = tarfile.TarInfo(f"videos/{i}.mp4")
            info.size = len(data.clips[i % 2])
            tar.addfile(info, io.BytesIO(data.clips[i % 2]))


def longvideobench(data: TinyData) -> None:
    """Four or five options in columns, "N/A" for the fifth; a tar file cut into parts."""
    rows = [
        {
            "id": f"abc_{i}",
            "video_path": f"abc{i}.mp4",
            "question": "When the ball turns, what follows?",
            **{f"option{k}": f"event {k}" for k in range(4)},
            "option4": ("N/A", "event 4")[i],
            "correct_choice": (2, 4)[i],
            "duration_group": (15, 3600)[i],
            "question_category": ("S2E", "T3O")[i],
        }
        for i in range(2)
    ]
    data.parquet("validation-00000-of-00001.parquet", rows)
    hidden = [{k: v for k, v in row.items() if k != "correct_choice"} for row in rows]
    data.parquet("test-00000-of-00001.parquet", hidden)
    data.right |= {"validation/abc_0": "C", "validation/abc_1": "E"}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for i in range(2):
            info = tarfile.TarInfo(f"./videos/abc{i}.mp4")
            info.size = len(data.clips[i])
            tar.addfile(info, io.BytesIO(data.clips[i]))
    third = len(whole.getvalue()) // 3
    for i, name in enumerate(("aa", "ab", "ac")):
        end = None if i == 2 else (i + 1) * third
        (data.folder / f"videos.tar.part.{name}").write_bytes(whole.getvalue()[i * third : end])


def activitynetqa(data: TinyData) -> None:
    """The authors' two JSON files, joined; the files' prefix v_; a type that is a number."""
    questions = [
        {"video_name": "ab", "question": "is the ball red", "question_id": "ab_1"},
        {"video_name": "ab", "question": "how many balls are there", "question_id": "ab_2"},
    ]
    answers = [
        {"answer": "two", "type": 7, "question_id": "ab_2"},
        {"answer": "yes", "type": 3, "question_id": "ab_1"},
    ]
    data.json("dataset/test_q.json", questions)
    data.json("dataset/test_a.json", answers)
    data.right |= {"ab_1": "Yes.", "ab_2": "The answer is 2"}
    data.clip("all_test/v_ab.mp4")


def msvdqa(data: TinyData) -> None:
    """JSON, with a text file that maps video numbers to names."""
    data.json("test_qa.json", [{"answer": "ball", "id": 7, "question": "what moves?", "video_id": 1301}])
    (data.folder / "youtube_mapping.txt").write_text("-xyz_1_5 vid1\nqwe-_10_20 vid1301\n")
    data.right |= {"7": "a ball"}
    data.clip("YouTubeClips/qwe-_10_20.mp4")


def msrvttqa(data: TinyData) -> None:
    """JSON; the files are called after the number."""
    rows = [{"answer": "run", "category_id": 3, "id": 9, "question": "what do they do?", "video_id": 7010}]
    data.json("test_qa.json", rows)
    data.right |= {"9": "Run"}
    data.clip("TestVideo/video7010.mp4")


def tvbench(data: TinyData) -> None:
    """JSON per task, a zip file per task."""
    for number, task in enumerate(TVBENCH_TASKS):
        rows = [
            {"video": "a.mp4", "question": "Which first?", "candidates": ["red", "blue"], "answer": "blue"}
        ]
        data.json(f"json/{task}.json", rows)
        data.right[f"{task}/0"] = "B"
        data.zipped(f"video/{task}.zip", {"a.mp4": data.clips[number % 2]})


def tomato(data: TinyData) -> None:
    """Parquet; the path of the clip in the table."""
    rows = [
        {
            "id": str(i),
            "question": "Which way does it turn?",
            "options": ["clockwise", "counter-clockwise", "not at all"],
            "answer": i,
            "reason_type": ("rotation", "direction")[i],
            "demonstration_type": "object",
            "video_path": f"videos/object/{i}.mp4",
        }
        for i in range(2)
    ]
    data.parquet("data/test-00000-of-00001.parquet", rows)
    data.right |= {"0": "A", "1": "B"}
    for i in range(2):
        data.clip(f"videos/object/{i}.mp4", i)


def vinoground(data: TinyData) -> None:
    """Two JSON files, a CSV with categories, clips whole and joined in pairs."""
    index, texts, videos = [], [], []
    for pair in range(2):
        for side, right in (("pos", "A"), ("neg", "B")):
            idx = f"{pair}_{side}"
            caption = "Which caption fits?\nA. first red, then blue\nB. first blue, then red"
            segment = f"Which segment fits the caption of {idx}?\nA. the first\nB. the second"
            texts.append(
                {"idx": idx, "video_name": f"vinoground_videos/{idx}.mp4", "question": caption, "GT": right}
            )
            videos.append(
                {
                    "idx": idx,
                    "video_name": f"vinoground_videos_concated/{pair}.mp4",
                    "question": segment,
                    "GT": right,
                }
            )
            data.clip(f"vinoground_videos/{idx}.mp4", pair)
            for kind in ("text", "video"):
                minor = "cyclical;spatial" if pair else None
                index.append({"index": f"{idx}_{kind}", "major": ("object", "action")[pair], "minor": minor})
                data.right[f"{kind}/{idx}"] = right
        data.clip(f"vinoground_videos_concated/{pair}.mp4", pair)
    data.json("vinoground_videos/vinoground_textscore.json", texts)
    data.json("vinoground_videos_concated/vinoground_videoscore.json", videos)
    data.csv("lmmseval.csv", index)


LAYOUTS = {
    make.__name__: make
    for make in (
        mvbench, videomme, nextqa, egoschema, perceptiontest, tempcompass, mlvu, longvideobench,
        activitynetqa, msvdqa, msrvttqa, tvbench, tomato, vinoground,
    )
}  # fmt: skip
