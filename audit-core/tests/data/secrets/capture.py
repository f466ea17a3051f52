#!/usr/bin/env python3
"""Captures what real programs do at a terminal, for the tests of the secrets.

Each capture runs a program under a PTY, types as a user would, and writes one line per event:

    <microseconds> in <hex>               the user typed
    <microseconds> out <hex>              the program, or the kernel's echo, wrote
    <microseconds> line <flags> <unread>  the line discipline changed; flags of e(cho), c(anonical),
                                          n (echo newline), - for off; bytes that nobody has read

Lines that begin with `secret` or `kept` say, in hex, what the recording must not hold and what the
recorded input must hold. Run with the names of captures to redo them, or without to redo all.
Needs bash, zsh, fish, python3, ssh-keygen, openssl, less, vim,
nano, tmux, screen, pinentry-curses and whiptail.
"""

import array, fcntl, os, pty, re, select, signal, sys, tempfile, termios, time, tty

HERE = os.path.dirname(os.path.abspath(__file__))
BASH = ["bash", "--norc", "--noprofile", "-i"]
PW = "correct-horse"

# What sudo does with `pwfeedback`: neither ICANON nor ECHO, an asterisk per key.
FEEDBACK = """
import os, sys, termios, tty
prompt, star = (sys.argv[1:] or ['[sudo] password for me: ', '*'])
old = termios.tcgetattr(0)
for result in 'Sorry, try again.', 'ok':
    new = termios.tcgetattr(0)
    new[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSAFLUSH, new)
    os.write(1, prompt.encode())
    typed = 0
    while (key := os.read(0, 1)) not in b'\\r\\n':
        if key == b'\\x7f':
            os.write(1, b'\\b \\b' if typed and star else b'')
            typed = max(typed - 1, 0)
        else:
            os.write(1, star.encode())
            typed += 1
    termios.tcsetattr(0, termios.TCSAFLUSH, old)
    os.write(1, b'\\n' + result.encode() + b'\\n')
"""

# name: (command, steps, secrets, kept). A step is a pattern to wait for, or ("type", text, delay
# between keys), ("paste", text), ("wait", seconds).
CAPTURES = {
    "bash-line": (BASH, ["prompt", ("type", "echo hellp\x7fo wrold\x1bb\x0bworld\r", .03), "hello world", "prompt", ("type", "\x1b[A\x01x\x04", .03), ("type", "\x05 again\r", .03), "again", "prompt", ("paste", "exit\r")], [], ["echo hellp", "again"]),
    "bash-tab": (BASH, ["prompt", ("type", "cd /usr/lo\t\rpwd\r", .04), "/usr/local", ("paste", "exit\r")], [], ["cd /usr/lo", "pwd"]),
    "bash-search": (BASH, ["prompt", ("type", "echo findme\r", .02), "prompt", ("type", "\x12find", .04), ("type", "\r", 0), ("wait", .2), ("paste", "exit\r")], [], ["echo findme", "find"]),
    "bash-paste": (BASH, ["prompt", ("paste", "\x1b[200~echo one\necho two\x1b[201~"), ("wait", .1), ("paste", "\r"), "two", ("wait", .1), ("paste", "exit\r")], [], ["echo one", "echo two"]),
    "bash-ahead": (BASH, ["prompt", ("type", "sleep 0.6\r", .01), ("wait", .1), ("type", "echo ahead\r", .02), ("wait", .9), ("paste", "exit\r")], [], ["echo ahead"]),
    "bash-ahead-part": (BASH, ["prompt", ("type", "sleep 0.6\r", .01), ("wait", .1), ("type", "echo par", .02), ("wait", .8), ("type", "tial\r", .02), ("wait", .3), ("paste", "exit\r")], [], ["echo par", "tial"]),
    "bash-colours": (["bash", "--norc", "--noprofile", "-c", "PS1='\\[\\e[1;32m\\]me@host\\[\\e[0m\\]:\\w\\$ ' exec bash --norc --noprofile -i"], ["prompt", ("type", "ls --color=always /usr\r", .02), "prompt", ("type", "cat password.txt\r", .03), "prompt", ("paste", "exit\r")], [], ["ls --color=always /usr", "cat password.txt"]),
    "read-s": (["bash", "-c", "read -s -p 'Password: ' x; echo; read -p 'Name: ' n; echo hi $n"], ["Password", ("type", PW + "\r", .03), "Name", ("type", "robert\r", .03), "hi"], [PW], ["robert"]),
    "read-s-backspace": (["bash", "-c", "read -s -p 'Password: ' x; echo ${#x}"], ["Password", ("type", "wrongg\x7f\x7f" + PW + "\r", .02), ("wait", .2)], [PW, "wrongg"], []),
    "read-s-n": (["bash", "-c", "read -s -n4 -p 'PIN code: ' x; echo; read -p 'Name: ' n"], ["PIN", ("type", "4711", .12), "Name", ("type", "robert\r", .03), ("wait", .1)], ["4711"], ["robert"]),
    "read-s-n-paste": (["bash", "-c", "read -s -n4 -p 'PIN code: ' x; echo; read -p 'Name: ' n"], ["PIN", ("paste", "4711"), "Name", ("wait", .4), ("type", "robert\r", .03), ("wait", .1)], ["4711"], ["robert"]),
    "read-visible": (["bash", "-c", "read -p 'Password: ' x; echo; read -p 'Name: ' n"], ["Password", ("type", PW + "\r", .02), "Name", ("type", "robert\r", .03), ("wait", .1)], [PW], ["robert"]),
    "read-s-ahead": (["bash", "-c", "sleep 0.7; read -s x; echo; read -p 'Name: ' n; sleep 0.1"], [("wait", .1), ("type", PW + "\r", .02), "Name", ("wait", .3), ("type", "robert\r", .03), ("wait", .3)], [PW], ["robert"]),
    "read-s-ahead-part": (["bash", "-c", "sleep 0.6; read -s x; echo; read -p 'Name: ' n; sleep 0.1"], [("wait", .1), ("type", "correct-", .02), ("wait", .7), ("type", "horse\r", .02), "Name", ("wait", .3), ("type", "robert\r", .03), ("wait", .3)], ["correct-", "horse"], ["robert"]),
    "getpass": (["python3", "-c", "import getpass; getpass.getpass(); print(input('user? '))"], ["Password", ("type", PW + "\n", .02), "user", ("type", "robert\n", .02), ("wait", .3)], [PW], ["robert"]),
    "getpass-ahead": (["python3", "-c", "import time, getpass; time.sleep(.5); getpass.getpass(); time.sleep(.2)"], [("wait", .2), ("type", PW + "\n", .01), "Password", ("type", PW + "\n", .02), ("wait", .3)], [PW], []),
    "getpass-interrupt": (BASH, ["prompt", ("paste", "python3 -c 'import getpass; getpass.getpass()'\r"), "Password", ("type", "half-a-se\x03", .02), "prompt", ("type", "echo after\r", .03), ("wait", .2), ("paste", "exit\r")], ["half-a-se"], ["echo after"]),
    "getpass-retry": (["python3", "-c", "import getpass\nfor i in range(2):\n getpass.getpass(); print('Sorry, try again.')"], ["Password", ("paste", "wrong-horse\n" + PW + "\nls -la\n"), ("wait", .3), ("type", PW + "\n", .02), ("wait", .3)], ["wrong-horse", PW], []),
    "ssh-keygen": (["ssh-keygen", "-q", "-t", "ed25519"], ["save the key", ("type", "@TMP@/key\n", .01), "passphrase", ("type", PW + "\n", .02), "again", ("type", PW + "\n", .02), ("wait", .4)], [PW], ["@TMP@/key"]),
    "openssl-passwd": (["openssl", "passwd", "-6"], ["Password", ("type", PW + "\n", .02), "Password", ("type", PW + "\n", .02), ("wait", .4)], [PW], []),
    "feedback": (["python3", "-c", FEEDBACK], ["assword", ("type", "correct-horxs\x7f\x7fse\r", .05), "Sorry", ("paste", PW + "\r"), "ok", ("wait", .1)], ["correct-hor", PW], []),
    "token-no-echo": (["python3", "-c", FEEDBACK, "Enter token: ", ""], ["token", ("type", PW + "\r", .05), "Sorry", ("paste", PW + "\r"), "ok", ("wait", .1)], [PW], []),
    "cat": (["cat"], [("wait", .1), ("type", "hello there\n", .03), ("wait", .1), ("type", "second line\n", .01), ("wait", .2), ("paste", "a\nb\nc\n"), ("wait", .2), ("paste", "\x04"), ("wait", .1)], [], ["hello there", "second line", "a\nb\nc\n"]),
    "cat-nothing": (["bash", "-c", "cat >/dev/null"], [("wait", .1), ("type", "hello there\n", .03), ("wait", .1), ("paste", "one\ntwo\nthree\n"), ("wait", .3), ("paste", "\x04"), ("wait", .1)], [], ["hello there", "one\ntwo\nthree\n"]),
    "python-input": (["python3", "-c", "a=input('name: '); b=input('again? '); print(a+b)"], ["name", ("type", "robert\n", .03), "again", ("type", "alice\n", .03), ("wait", .2)], [], ["robert", "alice"]),
    "user-and-password": (["bash", "-c", "read -p 'Username: ' u; read -s -p 'Password: ' p; echo; sleep .1"], ["Username", ("type", "robert\n", .02), "Password", ("type", PW + "\n", .02), ("wait", .2)], [PW], ["robert"]),
    "python-repl": (["python3", "-q"], [">>>", ("type", "password = 1+\t1\r", .03), ">>>", ("type", "print(password)\r", .02), ">>>", ("paste", "\x04"), ("wait", .2)], [], ["password = 1+", "print(password)"]),
    "less": (["less", "-X", "/etc/services"], [":|services", ("type", "jjkk /", .05), ("type", "http\r", .05), ("type", "nGgq", .05), ("wait", .2)], [], ["jjkk /", "http", "nGgq"]),
    "vim": (["vim", "-u", "NONE", "-n", "@TMP@/file"], ["VIM|~", ("type", "iPassword: secretive\x1b", .03), ("type", "0dwu:q!\r", .05), ("wait", .2)], [], ["iPassword: secretive", "0dwu:q!"]),
    "tmux": (["tmux", "-L", "capture", "-f", "/dev/null", "new-session", "env PS1='inner$ ' bash --norc --noprofile -i"], ["inner", ("wait", .3), ("type", "read -s -p 'Password: ' x\r", .02), "Password", ("wait", .1), ("type", PW + "\r", .03), ("wait", .3), ("type", "echo after\r", .03), ("wait", .3), ("type", "exit\r", .02), ("wait", .3)], [PW], ["read -s -p 'Password: ' x", "echo after", "exit"]),
    "screen": (["screen", "-c", "/dev/null", "bash", "--norc", "--noprofile", "-i"], ["prompt", ("wait", .3), ("type", "read -s -p 'Password: ' x\r", .02), "Password", ("wait", .1), ("type", PW + "\r", .03), ("wait", .3), ("type", "echo after\r", .03), ("wait", .3), ("type", "exit\r", .02), ("wait", .3)], [PW], ["read -s -p 'Password: ' x", "echo after", "exit"]),
    "pinentry": (["bash", "-c", "T=$(tty); (echo SETDESC Unlock the key; echo SETPROMPT Passphrase:; echo GETPIN; sleep 2.5) | pinentry-curses --ttyname $T --ttytype xterm-256color > /dev/null"], ["Passphrase", ("wait", .2), ("type", PW, .04), ("type", "\r", .1), ("wait", 2.5)], [PW], []),
    "whiptail": (["bash", "-c", "whiptail --passwordbox 'Enter the password' 10 40 2> /dev/null"], ["password", ("wait", .2), ("type", PW, .04), ("type", "\r", .1), ("wait", .3)], [PW], []),
    "nano": (["nano", "-R", "@TMP@/file"], ["nano|Exit", ("wait", .2), ("type", "password: text\r", .03), ("type", "more", .03), ("type", "\x18", .1), ("type", "n", .1), ("wait", .2)], [], ["password: text", "more"]),
    "vim-syntax": (["vim", "-n", "@TMP@/file.yaml"], ["VIM|~", ("wait", .2), ("type", "ipassword: secretive\x1b", .03), ("type", "0fsdw", .08), ("type", "kj", .08), ("type", ":s/p/q/\r", .05), ("type", ":q!\r", .05), ("wait", .3)], [], ["ipassword: secretive", "0fsdw", "kj", ":s/p/q/", ":q!"]),
    "zsh": (["zsh", "-f", "-i"], ["% |# ", ("type", "echo hello\r", .03), "hello", ("wait", .2), ("type", "ec\t x\x7f\x7fyy\r", .06), ("wait", .2), ("type", "read -s 'x?Password: '\r", .02), "Password: ", ("wait", .1), ("type", PW + "\r", .02), ("wait", .2), ("type", "exit\r", .02), ("wait", .2)], [PW], ["echo hello", "exit"]),
    "fish": (["fish", "--no-config", "-i", "-C", "function fish_prompt; echo -n 'me@host> '; end"], ["> ", ("wait", .5), ("type", "echo hello\r", .04), "hello", ("wait", .4), ("type", "echo hel\r", .08), ("wait", .4), ("type", "read -s x\r", .04), ("wait", .4), ("type", PW + "\r", .04), ("wait", .4), ("type", "exit\r", .05), ("wait", .3)], [PW], ["echo hello", "echo hel", "exit"]),
}

def flags(fd):
    local = termios.tcgetattr(fd)[3]
    return "".join(c if local & bit else "-" for c, bit in
                   (("e", termios.ECHO), ("c", termios.ICANON), ("n", termios.ECHONL)))

def unread(fd):
    buffer = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, buffer)
    return buffer[0]

def capture(name):
    command, steps, secrets, kept = CAPTURES[name]
    directory = tempfile.mkdtemp()
    fill = lambda text: text.replace("@TMP@", directory)
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, array.array("H", [24, 80, 0, 0]))
    environment = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", HOME=directory, PS1="prompt$ ", HISTFILE="/dev/null")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.closerange(3, 100)
        os.chdir(directory)
        os.execvpe(command[0], [fill(a) for a in command], environment)
    start, lines, seen, last, alive = time.monotonic(), [], b"", None, True
    stamp = lambda: int((time.monotonic() - start) * 1e6)

    def sample():
        nonlocal last
        now = (flags(master), unread(slave))
        if now != last:
            lines.append(f"{stamp()} line {now[0]} {now[1]}")
            last = now

    def turn(wait):
        """Reads for so long, sampling every two milliseconds."""
        nonlocal seen, alive
        end = time.monotonic() + wait
        while True:
            sample()
            ready, _, _ = select.select([master], [], [], min(.002, max(0, end - time.monotonic())))
            if ready:
                data = os.read(master, 65536)
                sample()  # what an engine that samples after this read would be told
                lines.append(f"{stamp()} out {data.hex()}")
                seen += data
            if alive and os.waitpid(pid, os.WNOHANG)[0]:
                alive = False
            if time.monotonic() >= end and not ready:
                return

    def send(data):
        sample()
        lines.append(f"{stamp()} in {data.hex()}")
        os.write(master, data)

    for step in steps:
        if isinstance(step, str):
            deadline = time.monotonic() + 8
            # wait for the program, then for it to have its terminal as it wants it
            while not re.search(step.encode(), seen) and time.monotonic() < deadline:
                turn(.01)
            seen = b""
            turn(.08)
        elif step[0] == "wait":
            turn(step[1])
        elif step[0] == "paste":
            send(fill(step[1]).encode())
            turn(.1)
        else:
            for key in re.findall(r"\x1b\[.|\x1b.|.", fill(step[1]), re.S):
                send(key.encode())
                turn(step[2])
    turn(.3)
    if alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with open(f"{HERE}/{name}.capture", "w") as file:
        print("#", *map(repr, command), file=file)
        for word, texts in (("secret", secrets), ("kept", kept)):
            for text in texts:
                print(word, fill(text).encode().hex(), file=file)
        print(*lines, sep="\n", file=file)
    print(name, "ok" if not alive else "killed", len(lines))

for name in sys.argv[1:] or CAPTURES:
    capture(name)
