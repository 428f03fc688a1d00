//! Declarations of settings. A static declares a setting's word, form, bounds, help and default; its type
//! is the type that a look-up gives. Its address distinguishes it from others with the same word.
//!
//! ```text
//! static LR: Defaulted<f64> = Setting::real("lr", Bound::Positive)
//!     .help("learning rate")
//!     .default(1e-3);
//! static DENSE: SettingsTable = SettingsTable { settings: &[&LR], … };
//! let lr = settings.value(&LR);
//! ```

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::sema::literals::Text;
use crate::sema::literals::number::grouped;
use crate::sema::literals::raw::{Raw, RawRange};
use crate::sema::settings::forms::{AnySetting, Bound, Form, NONE, NameOf, SettingsTable};
use crate::sema::settings::value::{SettingValue, of_word};
use crate::sema::spec::Choice;
use crate::syntax::ast::{Block, Word};

/// The type of a setting: what its look-up gives. `'s` is the life of the syntax tree.
pub(in crate::sema) trait SettingType: 'static {
    /// What a look-up gives.
    type Value<'v, 's: 'v>;

    /// The value in this type; `None` if it was read in another form.
    fn of<'v, 's>(value: &'v SettingValue<'s>) -> Option<Self::Value<'v, 's>>;
}

/// A type whose settings may have a default.
pub(in crate::sema) trait Defaultable: SettingType {
    /// A default in its declaration.
    type Default: Copy + Debug + Sync;

    /// What a look-up gives if the block does not give the setting.
    fn or<'v, 's: 'v>(default: Self::Default) -> Self::Value<'v, 's>;

    /// The default as a spec writes it.
    fn text(default: Self::Default) -> String;
}

/// A setting whose help is still missing: not a declaration yet.
#[derive(Debug)]
pub(in crate::sema) struct Undescribed<T> {
    name: &'static str,
    form: Form,
    of: PhantomData<fn() -> T>,
}

/// A setting without a default.
#[derive(Debug)]
pub(in crate::sema) struct Setting<T> {
    name: &'static str,
    form: Form,
    help: &'static str,
    absence: Option<&'static str>,
    of: PhantomData<fn() -> T>,
}

/// A setting with a default.
#[derive(Debug)]
pub(in crate::sema) struct Defaulted<T: Defaultable> {
    setting: Setting<T>,
    default: T::Default,
}

/// A declaration, by its type: what [`Settings::of`](crate::sema::settings::Settings::of) takes.
pub(in crate::sema) trait Declaration: AnySetting {
    /// The setting's type.
    type Type: SettingType;
}

impl<T: SettingType + Debug> Declaration for Setting<T> {
    type Type = T;
}

impl<T: Defaultable + Debug> Declaration for Defaulted<T> {
    type Type = T;
}

impl<T: SettingType + Debug> AnySetting for Setting<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn form(&self) -> Form {
        self.form
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn default_text(&self) -> Option<String> {
        self.absence.map(str::to_owned)
    }
}

impl<T: Defaultable + Debug> AnySetting for Defaulted<T> {
    fn name(&self) -> &'static str {
        self.setting.name
    }

    fn form(&self) -> Form {
        self.setting.form
    }

    fn help(&self) -> &'static str {
        self.setting.help
    }

    fn default_text(&self) -> Option<String> {
        Some(T::text(self.default))
    }
}

impl<T: Defaultable> Defaulted<T> {
    /// What a look-up gives if the block does not give the setting.
    pub fn or<'v, 's: 'v>(&self) -> T::Value<'v, 's> {
        T::or(self.default)
    }
}

impl<T> Undescribed<T> {
    const fn new(name: &'static str, form: Form) -> Self {
        Self {
            name,
            form,
            of: PhantomData,
        }
    }

    /// The setting with its help: what it does, in Markdown without links.
    pub const fn help(self, help: &'static str) -> Setting<T> {
        Setting {
            name: self.name,
            form: self.form,
            help,
            absence: None,
            of: PhantomData,
        }
    }
}

impl<T> Setting<T> {
    /// The setting with what holds for blocks that do not give it, in words: there is no one value for it.
    pub const fn without(self, absence: &'static str) -> Self {
        Self {
            absence: Some(absence),
            ..self
        }
    }

    /// The setting with the note that a block must give it. The reader of the block reports its absence.
    pub const fn required(self) -> Self {
        self.without("required")
    }
}

impl<T: Defaultable> Setting<T> {
    /// The setting with a value for blocks that do not give it.
    pub const fn default(self, default: T::Default) -> Defaulted<T> {
        Defaulted {
            setting: self,
            default,
        }
    }
}

/// A setting without a value, a flag: it is given or not.
#[derive(Debug)]
pub(in crate::sema) struct Flag;

/// One word of a choice.
#[derive(Debug)]
pub(in crate::sema) struct OneOf<C>(PhantomData<fn() -> C>);

/// A value or `none`.
#[derive(Debug)]
pub(in crate::sema) struct OrNone<T>(PhantomData<fn() -> T>);

/// An inline vocabulary, or the path of a file of one.
#[derive(Debug)]
pub(in crate::sema) enum Values<'v> {
    Inline(&'v [Raw]),
    File(&'v Text),
}

/// How features are crossed, as a spec gives it.
#[derive(Debug)]
pub(in crate::sema) enum Cross<'v> {
    None,
    Mlp(&'v [usize]),
    Dcn,
}

/// The types, each with the constructors of its settings, what a look-up gives, and the value that it gives it for.
macro_rules! types {
    ($(
        $type:ty: $($make:ident($($of:ident: $arg:ty),*) = $form:expr),+;
        $value:ty: $($read:pat => $given:expr),+;
    )*) => {$(
        impl Setting<$type> {
            $(
                pub const fn $make(name: &'static str $(, $of: $arg)*) -> Undescribed<$type> {
                    Undescribed::new(name, $form)
                }
            )+
        }

        impl SettingType for $type {
            type Value<'v, 's: 'v> = $value;

            fn of<'v, 's>(value: &'v SettingValue<'s>) -> Option<Self::Value<'v, 's>> {
                match value {
                    $($read => Some($given),)+
                    _ => None,
                }
            }
        }
    )*};
}

types! {
    Flag: flag() = Form::Flag;
    (): SettingValue::Flag => ();

    u64: whole(least: u64) = Form::Whole(least), large(least: u64) = Form::Large(least);
    u64: SettingValue::Whole(number) => *number;

    usize: size(least: u64) = Form::Whole(least);
    usize: SettingValue::Whole(number) => usize::try_from(*number).ok()?;

    Option<u64>: optional_whole(least: u64) = Form::OptionalWhole(least);
    Option<u64>: SettingValue::Flag => None, SettingValue::Whole(number) => Some(*number);

    OrNone<usize>: size_or_none(least: u64) = Form::WholeOrNone(least);
    Option<usize>:
        SettingValue::None => None,
        SettingValue::Whole(number) => Some(usize::try_from(*number).ok()?);

    f64: real(bound: Bound) = Form::Real(bound);
    f64: SettingValue::Real(number) => *number;

    OrNone<f64>: real_or_none(bound: Bound) = Form::RealOrNone(bound);
    Option<f64>: SettingValue::None => None, SettingValue::Real(number) => Some(*number);

    (f64, f64): interval() = Form::Interval;
    (f64, f64): SettingValue::Interval(low, high) => (*low, *high);

    Vec<usize>: sizes() = Form::Sizes;
    &'v [usize]: SettingValue::Sizes(sizes) => sizes;

    Word: name(names: NameOf) = Form::Name(names);
    &'v Word: SettingValue::Name(name) => name;

    Vec<Word>: names(names: NameOf) = Form::Names(names);
    &'v [Word]: SettingValue::Names(names) => names;

    Text: column() = Form::Text;
    &'v Text: SettingValue::Text(column) => column;

    Vec<Text>: columns() = Form::Columns;
    &'v [Text]: SettingValue::Columns(columns) => columns;

    Values<'static>: values() = Form::Values;
    Values<'v>:
        SettingValue::Values(values) => Values::Inline(values),
        SettingValue::Text(path) => Values::File(path);

    Raw: raw() = Form::Value;
    &'v Raw: SettingValue::Raw(raw) => raw;

    Vec<f64>: boundaries() = Form::Boundaries;
    &'v [f64]: SettingValue::Boundaries(boundaries) => boundaries;

    Vec<RawRange>: ranges() = Form::Ranges;
    &'v [RawRange]: SettingValue::Ranges(ranges) => ranges;

    Block: block(table: &'static SettingsTable) = Form::Block(table);
    &'s Block: SettingValue::Block(block) => *block;

    Option<Block>: optional_block(table: &'static SettingsTable) = Form::OptionalBlock(table);
    Option<&'s Block>: SettingValue::Flag => None, SettingValue::Block(block) => Some(*block);

    Cross<'static>: crossing(table: &'static SettingsTable) = Form::Crossing(table);
    Cross<'v>:
        SettingValue::None => Cross::None,
        SettingValue::Sizes(widths) => Cross::Mlp(widths),
        SettingValue::Block(_) => Cross::Dcn;
}

impl<C: Choice> Setting<OneOf<C>> {
    pub const fn choice(name: &'static str) -> Undescribed<OneOf<C>> {
        Undescribed::new(name, Form::Choice(C::WORDS))
    }
}

impl<C: Choice> SettingType for OneOf<C> {
    type Value<'v, 's: 'v> = C;

    fn of<'v, 's>(value: &'v SettingValue<'s>) -> Option<C> {
        match value {
            SettingValue::Choice(word) => of_word(word),
            _ => None,
        }
    }
}

impl<C: Choice + Debug + Sync> Defaultable for OneOf<C> {
    type Default = C;

    fn or<'v, 's: 'v>(default: C) -> C {
        default
    }

    fn text(default: C) -> String {
        default.word().to_owned()
    }
}

/// Types whose defaults are what a look-up gives.
macro_rules! defaults {
    ($($type:ty: $default:ty, $value:ident => $text:expr;)*) => {$(
        impl Defaultable for $type {
            type Default = $default;

            fn or<'v, 's: 'v>(default: Self::Default) -> Self::Value<'v, 's> {
                default
            }

            fn text($value: Self::Default) -> String {
                $text
            }
        }
    )*};
}

defaults! {
    u64: u64, number => grouped(number.into());
    usize: usize, number => grouped(number as u128);
    f64: f64, number => number.to_string();
    OrNone<usize>: Option<usize>, number => or_none(number);
    OrNone<f64>: Option<f64>, number => or_none(number);
    Vec<usize>: &'static [usize], sizes => format!("{sizes:?}");
}

fn or_none(number: Option<impl ToString>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}
