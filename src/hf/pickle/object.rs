//! What a pickle is read into, and what the functions that write a state dict make of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How the values of a storage lie in their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F64,
    F32,
    F16,
    BF16,
    /// Integers of any width: buffers.
    Integer,
}

impl Kind {
    fn of(class: &str) -> Option<Self> {
        Some(match class {
            "torch DoubleStorage" => Self::F64,
            "torch FloatStorage" => Self::F32,
            "torch HalfStorage" => Self::F16,
            "torch BFloat16Storage" => Self::BF16,
            "torch ByteStorage" | "torch CharStorage" | "torch ShortStorage"
            | "torch IntStorage" | "torch LongStorage" | "torch BoolStorage" => Self::Integer,
            _ => return None,
        })
    }
}

/// Where a tensor lies, as the pickle says; nothing of it is checked yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// Of its storage.
    pub(super) kind: Kind,
    /// The name of its storage's file.
    pub(super) key: Rc<str>,
    /// Its first value in the storage.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Values between neighbours along each dimension.
    pub(super) strides: Vec<usize>,
}

/// The tensors of a state dict, by name.
pub(super) type Tensors = BTreeMap<Rc<str>, Rc<Info>>;

/// What stands on the stack.
#[derive(Clone)]
pub(super) enum Object {
    Mark,
    /// What plays no part in a state dict.
    Nothing,
    Int(i64),
    Text(Rc<str>),
    /// A class or function: its module, a space, its name.
    Global(Rc<str>),
    /// Parts, and how deep they are nested.
    Tuple(Rc<[Object]>, u8),
    Storage(Kind, Rc<str>),
    Tensor(Rc<Info>),
    Dict(Rc<RefCell<Tensors>>),
}

/// What `("storage", class, key, device, length)` stands for.
pub(super) fn storage(name: &Object) -> Object {
    let Object::Tuple(parts, _) = name else {
        return Object::Nothing;
    };
    match &parts[..] {
        [_, Object::Global(class), Object::Text(key), ..] => match Kind::of(class) {
            Some(kind) => Object::Storage(kind, key.clone()),
            None => Object::Nothing,
        },
        _ => Object::Nothing,
    }
}

/// What one of the functions that write a state dict would have given.
pub(super) fn call(function: &Object, arguments: &Object) -> Object {
    let (Object::Global(name), Object::Tuple(arguments, _)) = (function, arguments) else {
        return Object::Nothing;
    };
    match (&**name, &arguments[..]) {
        ("collections OrderedDict" | "collections defaultdict", _) => Object::Dict(Rc::default()),
        ("torch._utils _rebuild_parameter", [tensor, ..]) => tensor.clone(),
        ("torch._tensor _rebuild_from_type_v2", [inner, _, arguments, ..]) => {
            // One level only: it is no function that could be meant here.
            match inner {
                Object::Global(name) if **name == *"torch._utils _rebuild_tensor_v2" => {
                    call(inner, arguments)
                }
                _ => Object::Nothing,
            }
        }
        (
            "torch._utils _rebuild_tensor_v2",
            [
                Object::Storage(kind, key),
                Object::Int(offset),
                shape,
                strides,
                ..,
            ],
        ) => match (usize::try_from(*offset), sizes(shape), sizes(strides)) {
            (Ok(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                Object::Tensor(Rc::new(Info {
                    kind: *kind,
                    key: key.clone(),
                    offset,
                    shape,
                    strides,
                }))
            }
            _ => Object::Nothing,
        },
        _ => Object::Nothing,
    }
}

fn sizes(object: &Object) -> Option<Vec<usize>> {
    let Object::Tuple(parts, _) = object else {
        return None;
    };
    let size = |part: &Object| match part {
        Object::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    parts.iter().map(size).collect()
}
