//! A reader of JSON that takes the standard literally (RFC 8259) and remembers where everything stands. It is the
//! reference for the engine, which reads no more than it needs.

/// A value as it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Its bytes.
    pub(crate) token: &'a str,
    /// Where they begin.
    pub(crate) at: usize,
    /// What it is.
    pub(crate) kind: Kind<'a>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// Its members in their order, also those that stand twice.
    Object(Vec<Member<'a>>),
    /// Its elements.
    Array(Vec<Value<'a>>),
    /// Its text; `None` where half of a surrogate pair is missing, which no text can hold.
    String(Option<String>),
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Word,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// Its name as it stands in the text.
    pub(crate) key: &'a str,
    /// Its name as text; empty where it is none.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) value: Value<'a>,
}

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no JSON.
    NotJson,
    /// It nests deeper than allowed.
    TooDeep,
}

impl<'a> Value<'a> {
    /// The members, if it is an object.
    pub(crate) fn members(&self) -> Option<&[Member<'a>]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub(crate) fn elements(&self) -> Option<&[Value<'a>]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, if it is a string and one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => text.as_deref(),
            _ => None,
        }
    }

    /// The last member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Value<'a>> {
        self.members()?.iter().rev().find(|member| member.name == name).map(|member| &member.value)
    }

    /// What it holds, however deep, itself included.
    pub(crate) fn all(&self) -> Vec<&Value<'a>> {
        let inner: Vec<&Value<'a>> = match &self.kind {
            Kind::Object(members) => members.iter().flat_map(|member| member.value.all()).collect(),
            Kind::Array(elements) => elements.iter().flat_map(Value::all).collect(),
            _ => Vec::new(),
        };
        std::iter::once(self).chain(inner).collect()
    }
}

/// Reads a text that is one value, with white space around it at most.
pub(crate) fn read(text: &str, deepest: usize) -> Result<Value<'_>, Unread> {
    let mut reader = Reader { text, at: 0, deepest };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(Unread::NotJson) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    deepest: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Unread> {
        let byte = self.peek().ok_or(Unread::NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn must(&mut self, byte: u8) -> Result<(), Unread> {
        if self.takes(byte) { Ok(()) } else { Err(Unread::NotJson) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Unread> {
        self.space();
        let at = self.at;
        let kind = match self.peek().ok_or(Unread::NotJson)? {
            b'{' | b'[' if depth == self.deepest => return Err(Unread::TooDeep),
            b'{' => Kind::Object(self.object(depth + 1)?),
            b'[' => Kind::Array(self.array(depth + 1)?),
            b'"' => Kind::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        Ok(Value { token: &self.text[at..self.at], at, kind })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member<'a>>, Unread> {
        self.must(b'{')?;
        let mut members = Vec::new();
        self.space();
        if self.takes(b'}') {
            return Ok(members);
        }
        loop {
            self.space();
            let at = self.at;
            let name = self.string()?.unwrap_or_default();
            let key = &self.text[at..self.at];
            self.space();
            self.must(b':')?;
            members.push(Member { key, name, value: self.value(depth)? });
            self.space();
            if !self.takes(b',') {
                self.must(b'}')?;
                return Ok(members);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value<'a>>, Unread> {
        self.must(b'[')?;
        let mut elements = Vec::new();
        self.space();
        if self.takes(b']') {
            return Ok(elements);
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            if !self.takes(b',') {
                self.must(b']')?;
                return Ok(elements);
            }
        }
    }

    /// As UTF-16, so that surrogates are joined, or found to be alone, by the standard library.
    fn string(&mut self) -> Result<Option<String>, Unread> {
        self.must(b'"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let character = self.text[self.at..].chars().next().ok_or(Unread::NotJson)?;
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(String::from_utf16(&units).ok()),
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return Err(Unread::NotJson),
                _ => units.extend(character.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, Unread> {
        Ok(match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => byte.into(),
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).ok_or(Unread::NotJson)?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(Unread::NotJson);
                }
                self.at += 4;
                u16::from_str_radix(digits, 16).map_err(|_| Unread::NotJson)?
            }
            _ => return Err(Unread::NotJson),
        })
    }

    fn number(&mut self) -> Result<Kind<'a>, Unread> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Result<(), Unread> {
        let begun = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > begun { Ok(()) } else { Err(Unread::NotJson) }
    }

    fn word(&mut self) -> Result<Kind<'a>, Unread> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        self.at += word.ok_or(Unread::NotJson)?.len();
        Ok(Kind::Word)
    }
}
