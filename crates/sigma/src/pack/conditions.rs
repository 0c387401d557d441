//! Conditions in a pack: operators before their members, so that neither depth nor number of anything is taken on trust.

use millpond_core::Result;
use serde::{Deserialize, Serialize};

use super::layout::{DEPTH_MAX, damaged, encoded};
use crate::condition::{Expr, Predicate};

/// An expression without its members; they follow.
#[derive(Serialize, Deserialize)]
enum Step<P> {
    /// Of so many members.
    All(u32),
    Any(u32),
    Not,
    Test(P),
}

/// Adds an expression to `out`.
pub(super) fn write(expr: &Expr, out: &mut Vec<u8>) -> Result<()> {
    let mut step = |step: Step<&Predicate>| encoded(&step).map(|bytes| out.extend(bytes));
    match expr {
        Expr::Test(predicate) => step(Step::Test(predicate)),
        Expr::Not(inner) => {
            step(Step::Not)?;
            write(inner, out)
        }
        Expr::All(members) => {
            step(Step::All(members.len() as u32))?;
            members.iter().try_for_each(|member| write(member, out))
        }
        Expr::Any(members) => {
            step(Step::Any(members.len() as u32))?;
            members.iter().try_for_each(|member| write(member, out))
        }
    }
}

/// Values one after the other, and how many steps of conditions may still come.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    steps_left: &'b mut u32,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8], steps_left: &'b mut u32) -> Self {
        Self { rest: bytes, steps_left }
    }

    /// The next value.
    pub(super) fn next<T: Deserialize<'b>>(&mut self) -> Result<T> {
        let (value, rest) = postcard::take_from_bytes(self.rest).map_err(|_| damaged())?;
        self.rest = rest;
        Ok(value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next expression.
    pub(super) fn condition(&mut self) -> Result<Expr> {
        self.expr(DEPTH_MAX)
    }

    fn expr(&mut self, depth_left: u32) -> Result<Expr> {
        *self.steps_left = self.steps_left.checked_sub(1).ok_or_else(damaged)?;
        let depth_left = depth_left.checked_sub(1).ok_or_else(damaged)?;
        Ok(match self.next()? {
            Step::Test(predicate) => Expr::Test(predicate),
            Step::Not => Expr::Not(Box::new(self.expr(depth_left)?)),
            Step::All(count) => Expr::All(self.members(count, depth_left)?),
            Step::Any(count) => Expr::Any(self.members(count, depth_left)?),
        })
    }

    fn members(&mut self, count: u32, depth_left: u32) -> Result<Vec<Expr>> {
        // A member takes a byte at least.
        let mut members = Vec::with_capacity(self.rest.len().min(count.min(*self.steps_left) as usize));
        for _ in 0..count {
            members.push(self.expr(depth_left)?);
        }
        Ok(members)
    }
}
