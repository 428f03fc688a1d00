//! `train`, `eval`, `predict`, `index`, `serve`, `export`, `synth` and `bench`: their options, and the program that they build and run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/program.rs"]
mod program;

use clap::{Arg, Args};
use mtmd_options::{Bench, Eval, Export, Index, Predict, Serve, Synth, Train};
use program::{MINIMAL, MTMDC, folder, with_spec};
use std::fs;
use std::path::PathBuf;
#[cfg(unix)]
use support::run::outcome;

/// The commands that run a spec's program, with their shared options.
fn commands() -> [(&'static str, clap::Command); 8] {
    fn options<O: Args>() -> clap::Command {
        O::augment_args(clap::Command::new("options"))
    }
    [
        ("train", options::<Train>()),
        ("eval", options::<Eval>()),
        ("predict", options::<Predict>()),
        ("index", options::<Index>()),
        ("serve", options::<Serve>()),
        ("export", options::<Export>()),
        ("synth", options::<Synth>()),
        ("bench", options::<Bench>()),
    ]
}

fn long(option: &Arg) -> &str {
    option.get_long().unwrap()
}

#[test]
fn help_completions_and_manual_have_every_option() {
    let folder = folder("options");
    let print = |arguments: &[&str]| {
        let (exit, stdout, stderr) = MTMDC.run(&folder, arguments);
        assert_eq!(exit, 0, "{stderr}");
        stdout
    };
    let manual = print(&["man"]);
    let bash = print(&["completions", "bash"]);
    let fish = print(&["completions", "fish"]);
    for (name, options) in commands() {
        let help = print(&[name, "--help"]);
        let manual = manual.split(&format!(".TH mtmdc-{name} ")).nth(1).unwrap();
        let manual = manual.split("\n.TH ").next().unwrap().replace('\\', "");
        let bash = bash
            .split(&format!("        mtmdc__subcmd__{name})"))
            .nth(1)
            .unwrap();
        let bash = bash
            .split("opts=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        for option in options.get_arguments().map(long) {
            let flag = format!("--{option}");
            let listed = |text: &str| text.split_whitespace().any(|word| word == flag);
            assert!(listed(&help), "{name}: {flag} is not in\n{help}");
            assert!(listed(bash), "{name}: {flag} is not in\n{bash}");
            assert!(manual.contains(&flag), "{name}: {flag} is not in\n{manual}");
            let of = format!("__fish_mtmdc_using_subcommand {name}\" -l {option} ");
            assert!(fish.contains(&of), "{of:?} is not in\n{fish}");
        }
    }
}

/// Whatever is wrong with an option, neither cargo nor anything else has been started or written.
#[cfg(unix)]
#[test]
fn a_wrong_option_is_refused_before_anything_is_built() {
    let (folder, cargo) = with_workspace("refused");
    for (arguments, said) in [
        ("train S --epoch 1", "unexpected argument '--epoch'"),
        (
            "train S --epochs two",
            "invalid value 'two' for '--epochs <N>'",
        ),
        ("train S --batch 0", "must be at least 1"),
        ("train S --device tpu", "expected cpu, cuda, cuda:N or wgpu"),
        (
            "train S --precision bf16",
            "[possible values: float32, tf32, bfloat16]",
        ),
        ("train S --resume --epochs 1", "cannot be used with"),
        ("train S --other-files", "--resume"),
        ("train S --dry-run", "--warm-start <DIR>"),
        ("train S --data ftp://host", "s3:// or gs://"),
        (
            "train S --data absent",
            "--data: cannot read `absent`: it does not exist",
        ),
        ("train S more", "unexpected argument 'more'"),
        ("train S --plan p", "unexpected argument '--plan'"),
        ("eval S", "--model <DIR>"),
        ("eval S --model absent", "--model: cannot read `absent`"),
        (
            "eval S --model else --part rest",
            "[possible values: train, validate, test, all]",
        ),
        ("export S --model else", "--out <DIR>"),
        (
            "export S --model absent --out o",
            "--model: cannot read `absent`",
        ),
        (
            "export S --model else --out o --tables here",
            "[possible values: inside, outside]",
        ),
        ("synth S", "--out <DIR>"),
        (
            "synth S --out o --epochs 1",
            "unexpected argument '--epochs'",
        ),
        ("bench S --oracle", "--dump <DIR>"),
    ] {
        let arguments = arguments.replace('S', "specs/minimal.mtmd");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut command = MTMDC.command(&folder, &arguments);
        let (exit, stdout, stderr) = outcome(command.env("CARGO", &cargo));
        assert_eq!((exit, &*stdout), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("cargo build"), "{arguments:?}: {stderr}");
        assert!(!folder.join("generated").exists(), "{arguments:?}");
    }
}

#[test]
fn data_is_the_specs_or_given() {
    let folder = with_spec("no-data");
    for arguments in [
        &["train", "minimal.mtmd"][..],
        &["eval", "minimal.mtmd", "--model", "."],
    ] {
        let (exit, _, stderr) = MTMDC.run(&folder, arguments);
        assert_eq!(exit, 2, "{stderr}");
        assert!(stderr.contains("add `--data PATH`"), "{stderr}");
    }
}

#[test]
fn without_a_workspace_nothing_is_trained() {
    // The system's temporary folder is not in a workspace.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("minimal.mtmd"), MINIMAL).unwrap();
    let arguments = ["train", "minimal.mtmd", "--data", "."];
    let (exit, _, stderr) = MTMDC.run(folder.path(), &arguments);
    assert_eq!(exit, 3);
    assert!(stderr.contains("no workspace of mtmdc"), "{stderr}");
}

/// A workspace whose cargo and whose program are one script that prints its arguments.
#[cfg(unix)]
fn with_workspace(name: &str) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(name);
    fs::create_dir_all(folder.join("runtime")).unwrap();
    fs::create_dir_all(folder.join("specs")).unwrap();
    fs::write(folder.join("Cargo.toml"), "[workspace]\n").unwrap();
    fs::write(folder.join("runtime/Cargo.toml"), "[package]\n").unwrap();
    let spec = MINIMAL.replace("model minimal", "model minimal\ndata \"../data\"");
    fs::write(folder.join("specs/minimal.mtmd"), spec).unwrap();
    for data in ["data", "else"] {
        fs::create_dir_all(folder.join(data)).unwrap();
    }
    let script = folder.join("cargo");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = build ]; then echo \"cargo $*\" >&2; \
         echo '{{\"target\":{{\"name\":\"minimal\"}},\"executable\":\"{}\"}}'; \
         else echo \"program $*\"; exit $CODE; fi\n",
        script.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, script)
}

#[cfg(unix)]
#[test]
fn train_builds_the_crate_and_runs_its_program() {
    let (folder, cargo) = with_workspace("train");
    let launch = |arguments: &[&str], code: i32| {
        let mut command = MTMDC.command(&folder, arguments);
        outcome(command.env("CARGO", &cargo).env("CODE", code.to_string()))
    };
    let (exit, stdout, stderr) = launch(&["train", "specs/minimal.mtmd", "--epochs", "1"], 0);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(stdout, "program train --epochs=1 --data=specs/../data\n");
    assert!(
        stderr.contains("cargo build --release --workspace --bin minimal"),
        "{stderr}"
    );
    assert!(folder.join("generated/minimal/src/plan.rs").exists());

    let arguments = [
        "train",
        "specs/minimal.mtmd",
        "--data=else",
        "--device",
        "cuda:0",
    ];
    let (_, stdout, stderr) = launch(&arguments, 0);
    assert_eq!(stdout, "program train --data=else --device=cuda:0\n");
    assert!(stderr.contains("--features minimal/cuda"), "{stderr}");

    let (_, stdout, _) = launch(&["synth", "specs/minimal.mtmd", "--out", "x"], 0);
    assert_eq!(stdout, "program synth --out=x\n");
    let (_, stdout, _) = launch(&["bench", "--serve", "specs/minimal.mtmd"], 0);
    assert_eq!(stdout, "program bench --serve\n");
    for code in 1..4 {
        let eval = ["eval", "specs/minimal.mtmd", "--model", "data"];
        assert_eq!(launch(&eval, code).0, code);
    }
}

#[cfg(unix)]
#[test]
fn data_in_an_object_store_builds_the_program_for_it() {
    let (folder, cargo) = with_workspace("store");
    let run = |arguments: &[&str]| {
        let mut command = MTMDC.command(&folder, arguments);
        outcome(command.env("CARGO", &cargo).env("CODE", "0"))
    };
    let eval = "eval specs/minimal.mtmd --model data --data gs://bucket/rows else";
    let eval: Vec<&str> = eval.split(' ').collect();
    let (_, stdout, stderr) = run(&eval);
    assert_eq!(
        stdout,
        "program eval --model=data --data=gs://bucket/rows --data=else\n"
    );
    assert!(stderr.contains("--features minimal/cloud"), "{stderr}");

    let spec = folder.join("specs/minimal.mtmd");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write(&spec, text.replace("\"../data\"", "\"s3://bucket/rows\"")).unwrap();
    let (exit, _, stderr) = run(&["check", "specs/minimal.mtmd"]);
    assert_eq!(exit, 0, "{stderr}");
    let (_, stdout, stderr) = run(&["train", "specs/minimal.mtmd"]);
    assert_eq!(stdout, "program train --data=s3://bucket/rows\n");
    assert!(stderr.contains("--features minimal/cloud"), "{stderr}");
    let (_, stdout, stderr) = run(&["train", "specs/minimal.mtmd", "--data", "else"]);
    assert_eq!(stdout, "program train --data=else\n");
    assert!(!stderr.contains("--features"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_failed_build_of_the_crate_is_the_environments() {
    let (folder, cargo) = with_workspace("failed");
    fs::write(&cargo, "#!/bin/sh\necho 'error: no' >&2\nexit 101\n").unwrap();
    let mut train = MTMDC.command(&folder, &["train", "specs/minimal.mtmd"]);
    let (exit, _, stderr) = outcome(train.env("CARGO", &cargo));
    assert_eq!(exit, 3);
    assert!(
        stderr.contains("the crate of `minimal` was not built"),
        "{stderr}"
    );

    let mut train = MTMDC.command(&folder, &["train", "specs/minimal.mtmd"]);
    let (exit, _, stderr) = outcome(train.env("CARGO", folder.join("absent")));
    assert_eq!(exit, 3);
    assert!(
        stderr.contains("cannot run") && stderr.contains("rustup"),
        "{stderr}"
    );
}

/// The plan of a warm start is shown without a program being built, from what the folder of the weights tells.
#[test]
fn a_warm_start_is_shown_before_it_is_made() {
    let folder = with_spec("warm-start");
    let (_, graph, _) = MTMDC.run(&folder, &["graph", "minimal.mtmd"]);
    for path in ["run/model", "damaged"] {
        fs::create_dir_all(folder.join(path)).unwrap();
        fs::write(folder.join(path).join("model.safetensors"), "").unwrap();
        fs::write(folder.join(path).join("graph.yaml"), &graph).unwrap();
    }
    let damaged = graph.replace("dim: 16", "dim: 8");
    fs::write(folder.join("damaged/graph.yaml"), damaged).unwrap();
    let grown = MINIMAL
        .replace("search = 1", "search = 1, reels = 2 like feed")
        .replace("{ rows 10_000, dim 16 }", "{ rows 20_000, dim 16 }");
    assert_ne!(grown, MINIMAL);
    fs::write(folder.join("grown.mtmd"), grown).unwrap();

    let train = |from: &[&str]| MTMDC.run(&folder, &[&["train", "grown.mtmd"], from].concat());
    for run in ["run", "run/model"] {
        let (exit, shown, said) = train(&["--warm-start", run, "--dry-run"]);
        assert_eq!((exit, &*said), (0, ""), "{said}");
        for part in [
            "surface reels, values [2], like feed",
            "seeded",
            "query.reels",
            "from query.feed",
            "values hash to other rows",
        ] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
    let (exit, shown, _) = MTMDC.run(
        &folder,
        &["train", "minimal.mtmd", "--warm-start=run", "--dry-run"],
    );
    assert_eq!(exit, 0);
    assert!(shown.contains("The models are the same"), "{shown}");

    for (arguments, exit, part) in [
        (&["--dry-run"][..], 2, "--warm-start <DIR>"),
        (
            &["--warm-start", "nowhere"],
            1,
            "no model to start from lies in `nowhere`",
        ),
        (&["--warm-start", "damaged"], 1, "it was edited"),
    ] {
        let (found, _, said) = train(arguments);
        assert_eq!(found, exit, "{said}");
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}
