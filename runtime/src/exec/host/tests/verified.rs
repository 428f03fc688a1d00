//! Plans that break a rule stop.

use mtmd_schema::plan::{Op, Plan, Program, Storage, Write};

use super::super::Executor;
use super::model::plan;

/// A plan whose first program was changed.
fn changed(change: impl FnOnce(&mut Program)) -> Plan {
    let mut plan = plan();
    change(&mut plan.query.programs.to_mut()[0]);
    plan
}

#[test]
fn a_sound_plan_is_taken() {
    Executor::new(&plan());
}

macro_rules! stops {
    ($($name:ident: $message:literal, $change:expr;)*) => {$(
        #[test]
        #[should_panic(expected = $message)]
        fn $name() {
            Executor::new(&changed($change));
        }
    )*};
}

stops! {
    buffers_are_read_after_they_are_written: "which holds nothing", |program| {
        program.forward.to_mut().swap(2, 3);
    };
    buffers_are_within_their_region: "is outside its region", |program| program.saved -= 1;
    scratch_that_is_alive_is_not_written_over: "which holds nothing", |program| {
        let buffers = program.buffers.to_mut();
        let scratch = (0..buffers.len())
            .filter(|&id| matches!(buffers[id].storage, Storage::Scratch(_)));
        let scratch: Vec<usize> = scratch.collect();
        // The gradient of x over that of the experts' outputs, which is read after it.
        buffers[scratch[8]].storage = buffers[scratch[5]].storage;
    };
    outputs_do_not_overlap_inputs: "which it reads", |program| {
        for op in program.forward.to_mut() {
            if let Op::Softmax { from, to, .. } = op {
                *to = *from;
            }
        }
    };
    widths_agree: "widths of", |program| {
        for op in program.forward.to_mut() {
            if let Op::Cross { by, .. } = op {
                by.width -= 1;
            }
        }
    };
    parameters_are_within_their_block: "has elements", |program| {
        program.parameters.stride -= 3;
    };
    gradients_of_all_parameters_are_written: "nothing writes the gradient of", |program| {
        program.backward.to_mut().retain(|op| !matches!(op, Op::BatchNormBack { .. }));
    };
    gradients_are_set_once: "of a parameter's gradient", |program| {
        let backward = program.backward.to_mut();
        let again = backward[0].clone();
        backward.push(again);
    };
    gradients_are_added_to_what_is_there: "of a parameter's gradient", |program| {
        for op in program.backward.to_mut() {
            if let Op::LinearWeight { write, .. } = op {
                *write = Write::Add;
            }
        }
    };
    embedded_fields_have_a_gradient: "embedded fields without gradient", |program| {
        program.input_gradient = None;
    };
    blocks_do_not_overlap: "is laid over elements", |program| program.parameters.start -= 1;
    batch_norm_reads_data: "BatchNorm reads other columns", |program| {
        program.embedded += 1;
    };
}
