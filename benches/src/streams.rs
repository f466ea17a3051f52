//! Streams of bytes, the same each time.

/// Bytes of one read of a PTY master: what Linux gives at most, whatever the buffer.
const READ: usize = 4096;

/// Log lines as a terminal shows them, one read.
pub fn logs() -> Vec<u8> {
    let mut text = String::new();
    for n in 0_u64.. {
        if text.len() >= READ {
            break;
        }
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let took = id >> 52;
        text += &format!(
            "2031-04-05T10:00:{:02}Z INFO http: request served id={id:016x} took={took}us\r\n",
            n % 60
        );
    }
    text.into_bytes()[..READ].to_vec()
}

/// Coloured text as a compiler or `ls --color` shows it, one read.
pub fn colour() -> Vec<u8> {
    let mut text = String::new();
    for n in 0_u64.. {
        if text.len() >= READ {
            break;
        }
        let (colour, width) = (31 + n % 7, n % 17);
        text += &format!(
            "\x1b[1;{colour}mdirectory-{n}\x1b[0m/\x1b[38;5;{width}mfile_{width}.rs\x1b[m\t"
        );
        if n % 4 == 3 {
            text += "\x1b[K\r\n";
        }
    }
    text.into_bytes()[..READ].to_vec()
}

/// A line as somebody types it, the Enter key included.
pub fn keys() -> &'static [u8] {
    b"git log --oneline --graph | head -20\r"
}
