//! Just enough of pickle to find the tensors of a state dict.
//!
//! Nothing is executed: what a pickle names is looked up in a list of five, and everything else stands for
//! nothing. Memory follows the pickle's length: what is taken from the memo is shared, dictionaries hold
//! tensors and nothing else, and tuples are nested so deep and no deeper.
//!
//! After Python's `pickletools` and PyTorch's `_weights_only_unpickler`.

use std::collections::HashMap;
use std::rc::Rc;

use super::object::{Object, Tensors, call, storage};

/// How deep tuples are nested, at most; in a state dict they are three deep.
const DEEPEST: u8 = 16;

/// The tensors of the state dict that is pickled in `bytes`.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn tensors(bytes: &[u8]) -> Result<Tensors, String> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    while machine.step()? {}
    match machine.pop()? {
        Object::Dict(tensors) => Ok(tensors.take()),
        _ => Err("it is no dictionary".into()),
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Object>,
    memo: HashMap<u32, Object>,
}

impl<'a> Machine<'a> {
    /// One instruction; whether there is a next one.
    fn step(&mut self) -> Result<bool, String> {
        let [code] = self.bytes()?;
        match code {
            b'.' => return Ok(false),
            // The protocol.
            0x80 => self.take(1).map(|_| ())?,
            b'c' => {
                let name = format!("{} {}", self.line()?, self.line()?);
                self.push(Object::Global(name.into()));
            }
            b'X' => {
                let length = u32::from_le_bytes(self.bytes()?);
                let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                let text = str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
                self.push(Object::Text(text.into()));
            }
            b'K' => {
                let [value] = self.bytes()?;
                self.push(Object::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.bytes()?);
                self.push(Object::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.bytes()?);
                self.push(Object::Int(value.into()));
            }
            // An integer of up to 255 bytes.
            0x8a => {
                let [length] = self.bytes()?;
                let bytes = self.take(length.into())?;
                let mut wide = [0; 8];
                let fits = wide.get_mut(..bytes.len());
                let fits = fits.map(|wide| wide.copy_from_slice(bytes)).is_some();
                let value = i64::from_le_bytes(wide);
                self.push(if fits {
                    Object::Int(value)
                } else {
                    Object::Nothing
                });
            }
            // A float.
            b'G' => {
                self.take(8)?;
                self.push(Object::Nothing);
            }
            // True, False, None, a list.
            0x88 | 0x89 | b'N' | b']' => self.push(Object::Nothing),
            b'(' => self.push(Object::Mark),
            b'}' => self.push(Object::Dict(Rc::default())),
            b')' => self.tuple(Vec::new())?,
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84));
                let parts = self.stack.split_off(from.ok_or(EMPTY)?);
                self.tuple(parts)?;
            }
            b't' => {
                let parts = self.pop_to_mark()?;
                self.tuple(parts)?;
            }
            b'q' => {
                let [place] = self.bytes()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.bytes()?);
                self.remember(place)?;
            }
            b'h' => {
                let [place] = self.bytes()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.bytes()?);
                self.recall(place)?;
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(storage(&name));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.push(call(&function, &arguments));
            }
            // Appending to a list, and giving an object its state.
            b'a' | b'b' => {
                self.pop()?;
                self.last()?;
            }
            b'e' => {
                self.pop_to_mark()?;
                self.last()?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![key, value])?;
            }
            b'u' => {
                let parts = self.pop_to_mark()?;
                self.insert(parts)?;
            }
            b'd' => {
                let parts = self.pop_to_mark()?;
                self.push(Object::Dict(Rc::default()));
                self.insert(parts)?;
            }
            other => {
                return Err(format!(
                    "instruction {other:#04x} is not one of a state dict"
                ));
            }
        }
        Ok(true)
    }

    fn tuple(&mut self, parts: Vec<Object>) -> Result<(), String> {
        let depth = parts.iter().map(|part| match part {
            Object::Tuple(_, depth) => depth + 1,
            _ => 1,
        });
        let depth = depth.max().unwrap_or(1);
        if depth > DEEPEST {
            return Err(format!("tuples are nested more than {DEEPEST} deep"));
        }
        self.push(Object::Tuple(parts.into(), depth));
        Ok(())
    }

    /// Keeps the tensors among pairs of a key and a value.
    fn insert(&mut self, parts: Vec<Object>) -> Result<(), String> {
        let Object::Dict(into) = self.last()? else {
            return Err("something is put into what is no dictionary".into());
        };
        let mut into = into.borrow_mut();
        for pair in parts.chunks(2) {
            match pair {
                [Object::Text(name), Object::Tensor(info)] => {
                    into.insert(name.clone(), info.clone());
                }
                [_, _] => {}
                _ => return Err("a key without a value".into()),
            }
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let object = self.last()?.clone();
        self.memo.insert(place, object);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        let object = self.memo.get(&place).ok_or("nothing was kept there")?;
        self.stack.push(object.clone());
        Ok(())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(object);
    }

    fn pop(&mut self) -> Result<Object, String> {
        Ok(self.stack.pop().ok_or(EMPTY)?)
    }

    fn last(&self) -> Result<&Object, String> {
        Ok(self.stack.last().ok_or(EMPTY)?)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Object>, String> {
        let mut objects = self.stack.iter();
        let mark = objects.rposition(|object| matches!(object, Object::Mark));
        let parts = self.stack.split_off(mark.ok_or("no mark")? + 1);
        self.stack.pop();
        Ok(parts)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(SHORT)? + 1)?;
        let line = str::from_utf8(line).map_err(|_| "a name that is not UTF-8")?;
        Ok(line.trim_end_matches(['\n', '\r']))
    }
}

const EMPTY: &str = "something is taken from an empty stack";
const SHORT: &str = "it ends too early";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_multiplied_things_take_no_more_than_they_are() {
        // A tuple of the memo twice, kept again: 2^n parts, if they were copied.
        let mut bomb = b"\x80\x02)q\x00".to_vec();
        for _ in 0..1000 {
            bomb.extend(b"h\x00h\x00\x86q\x00");
        }
        bomb.push(b'.');
        assert!(tensors(&bomb).unwrap_err().contains("deep"));
        // The same beside itself.
        let mut wide = b"\x80\x02)q\x00".to_vec();
        for _ in 0..100_000 {
            wide.extend(b"h\x00");
        }
        wide.push(b'.');
        assert!(tensors(&wide).unwrap_err().contains("no dictionary"));
        // Functions of functions, dictionaries of dictionaries.
        let mut calls = b"\x80\x02ca\nb\n".to_vec();
        calls.extend(b")R".repeat(100_000));
        calls.push(b'.');
        tensors(&calls).unwrap_err();
        let mut dicts = b"\x80\x02}q\x00".to_vec();
        dicts.extend(b"X\x01\x00\x00\x00a}s".repeat(100_000));
        dicts.push(b'.');
        assert!(tensors(&dicts).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_pickle_is_said() {
        for bytes in [
            &b""[..],
            b".",
            b"\x80",
            b"\x80\x02}",
            b"X\xff\xff\xff\xffa.",
            b"X\x01\x00\x00\x00\xff.",
            b"\x87.",
            b"t.",
            b"(u.",
            b"}(Nu.",
            b"N(NNu.",
            b"h\x07.",
            b"q\x00.",
            b"R.",
            b"\x8a\xff.",
            b"cos\nsystem",
            b"\x95.",
        ] {
            assert!(tensors(bytes).is_err(), "{bytes:?}");
        }
        assert!(tensors(b"\x80\x02}.").unwrap().is_empty());
    }
}
