//! Options, and the arguments that pass them on.

use std::ffi::{OsStr, OsString};

use clap::error::Error;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The options of a command, and the arguments that parse to the same options.
#[derive(Debug, Clone, PartialEq)]
pub struct Given<O> {
    /// The options.
    pub options: O,
    /// Each option that is not at its default, as `--name` or `--name=VALUE`.
    pub arguments: Vec<OsString>,
}

impl<O: Args> FromArgMatches for Given<O> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let arguments = arguments::<O>(matches);
        let options = O::from_arg_matches(matches)?;
        Ok(Self { options, arguments })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<O: Args> Args for Given<O> {
    fn augment_args(command: Command) -> Command {
        O::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        O::augment_args_for_update(command)
    }
}

/// The options of `O` that the command line gives, as arguments. They are found by the definition of `O` itself, so a new
/// option is passed on without further work, and a value is never taken for another option.
fn arguments<O: Args>(matches: &ArgMatches) -> Vec<OsString> {
    let command = O::augment_args(Command::new("options"));
    let mut arguments = vec![];
    for option in command.get_arguments() {
        let id = option.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = option.get_long().unwrap_or_default();
        assert!(!name.is_empty(), "bug: option `{id}` has no long name");
        if !option.get_action().takes_values() {
            arguments.push(format!("--{name}").into());
            continue;
        }
        let values = matches.get_raw(id).into_iter().flatten();
        arguments.extend(values.map(|value| with_value(name, value)));
    }
    arguments
}

fn with_value(name: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{name}="));
    argument.push(value);
    argument
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use clap::Arg;

    use super::*;
    use crate::{Bench, Eval, Export, Index, Predict, Serve, Synth, Train};

    fn parse<O: Args>(arguments: &[OsString]) -> Given<O> {
        let command = Given::<O>::augment_args(Command::new("options").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments);
        Given::from_arg_matches(&matches.expect("a valid command line")).expect("all options")
    }

    /// Arguments that give one option, with values that it accepts.
    fn given(option: &Arg) -> Vec<OsString> {
        let name = option.get_long().expect("a long name");
        let flag = OsString::from(format!("--{name}"));
        if !option.get_action().takes_values() {
            return vec![flag];
        }
        let named = option.get_possible_values();
        let mut values: Vec<OsString> = named
            .iter()
            .map(|value| value.get_name().to_owned().into())
            .collect();
        values.truncate(1);
        if values.is_empty() {
            let value = match name {
                "device" => "cuda:2",
                "shard" => "2/7",
                "bind" => "0.0.0.0:80",
                _ => "7",
            };
            values.push(value.into());
        }
        let several = option
            .get_num_args()
            .is_some_and(|count| count.max_values() > 1);
        if several {
            values.push("--odd=name, with a space".into());
        }
        values.iter().map(|value| with_value(name, value)).collect()
    }

    /// Gives each option by itself, beside what it and the command require.
    fn nothing_is_lost<O: Args + PartialEq + Debug>(required: &[&str], needed: &[(&str, &str)]) {
        let command = O::augment_args(Command::new("options"));
        let mut count = 0;
        for option in command.get_arguments() {
            let name = option.get_long().expect("a long name");
            let mut typed = given(option);
            let others = required
                .iter()
                .filter(|other| !other.starts_with(&format!("--{name}=")));
            typed.extend(others.map(OsString::from));
            let needs = needed.iter().filter(|(of, _)| *of == name);
            typed.extend(needs.map(|(_, need)| OsString::from(need)));
            let given = parse::<O>(&typed);
            assert_eq!(parse::<O>(&given.arguments), given, "{typed:?}");
            assert_eq!(
                given.arguments.len(),
                typed.len(),
                "{typed:?} became {:?}",
                given.arguments
            );
            count += 1;
        }
        assert!(count > 0);
    }

    #[test]
    fn every_option_is_passed_on() {
        nothing_is_lost::<Train>(&[], &[("other-files", "--resume")]);
        nothing_is_lost::<Eval>(&["--model=m"], &[]);
        nothing_is_lost::<Predict>(&["--model=m", "--out=o"], &[]);
        nothing_is_lost::<Index>(&["--model=m", "--out=o", "--id=i"], &[]);
        nothing_is_lost::<Serve>(&["--model=m"], &[]);
        nothing_is_lost::<Export>(&["--model=m", "--out=o"], &[]);
        nothing_is_lost::<Synth>(&["--out=o"], &[]);
        nothing_is_lost::<Bench>(&[], &[("oracle", "--dump=d")]);
    }

    #[test]
    fn defaults_are_left_out() {
        assert_eq!(parse::<Train>(&[]).arguments, Vec::<OsString>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf_8_is_passed_on() {
        use std::os::unix::ffi::OsStringExt as _;
        use std::path::PathBuf;

        let path = OsString::from_vec(b"caf\xe9".to_vec());
        let typed = ["--data".into(), path.clone(), "b".into()];
        let given = parse::<Train>(&typed);
        assert_eq!(
            given.options.data,
            [path.clone(), "b".into()].map(PathBuf::from)
        );
        assert_eq!(
            given.arguments,
            [with_value("data", &path), "--data=b".into()]
        );
    }
}
