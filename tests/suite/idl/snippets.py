# SPDX-License-Identifier: MIT
"""Forms of .proto files that must be generated and must compile in every language.

Each is a title and a file. The name of the file is N.proto unless the title ends with a name in
parentheses. A line "// file: NAME" begins another file, which comes before it in the text. "not:
LANGUAGE" in the title: the plugin refuses the file in that language, because the code by protoc
or protoc-gen-c would not compile.
"""

# Methods named like keywords, functions of a language, or generated code.
METHODS = """
Delete Register Export Default Continue Take Get Wait Await Ref Unref Proxy FromProxy OnDeath
ObjectNew Interface MethodTable New Into TryInto Serve Service Call Open Ping Oneway Int
Return For While If Import Class Def Lambda Pass Self Super Match Type Async Yield Struct Union Enum
Switch Static Const Auto Sizeof Template Namespace Operator Virtual Private Public Try Catch Throw
Assert Errno Init None True False NULL EOF Stdin With From In Is Not And Or Del Raise Impl Fn Let Mod
Move Mut Pub Trait Where Loop Crate Dyn Box Final Override Clone Drop Eq Hash Fmt Borrow ToOwned
Connection
""".split()

MESSAGES = "message A { int32 n = 1; }\n"


def unary(name):
    return f"  rpc {name}(A) returns (A);\n"


def service(name, methods):
    return f"service {name} {{\n{methods}}}\n"


def words(title, names, form=unary):
    return (title, MESSAGES + service("Store", "".join(form(n) for n in names)))


def streams(name):
    return (
        f"  rpc {name}(stream A) returns (stream A);\n"
        f"  rpc Up{name}(stream A) returns (A);\n  rpc Down{name}(A) returns (stream A);\n"
    )


SNIPPETS = [
    # Methods.
    words("methods that are keywords or members somewhere", METHODS),
    words("the same in lower case", [n.lower() for n in METHODS if n not in ("NULL", "EOF")]),
    words("the same with streams", ["Get", "Wait", "Into", "Proxy", "Delete", "Open", "Call"], streams),
    words("local names of generated code", "request reply call stream end c s with function".split()),
    words("locals with streams", "request end stream value message".split(), streams),
    words("methods with suffixes of another", ["Say", "SayWith", "SayAsync", "SayCb", "SayCall"]),
    words("suffixes before the method", ["SayWith", "SayAsync", "SayCall", "Say_async", "Say"]),
    words("methods with verbs of another", ["Say", "ReplySay", "InvokeSay", "CompleteSay"]),
    words("methods that differ in case", ["GetURL", "GetUrl", "get_url", "GETURL"]),
    words("methods with underscores", ["_Get", "__Get", "Get_", "_", "_1", "Get__It"]),
    ("C++ suffixes", MESSAGES + service("S", "".join(map(unary, ["A1", "A1_async", "A1_future"])))),
    (
        "a method in the place of a C function",
        MESSAGES + service("Timer", unary("Create")) + service("Sem", unary("Wait")),
    ),
    ("a keyword out of two names", MESSAGES + service("Wchar", unary("T")) + service("And", unary("Eq"))),
    (
        "oneways and methods without messages",
        'import "ipc/ipc.proto";\nimport "ipc/options.proto";\n' + MESSAGES
        + service("Store", "  rpc Delete(A) returns (ipc.None) { option (ipc.oneway) = true; }\n"
                  "  rpc Register(ipc.None) returns (ipc.None);\n  rpc Get(ipc.None) returns (A);\n"
                  "  rpc Take(ipc.None) returns (stream A);\n"),
    ),
    (
        "a chosen name",
        'import "ipc/options.proto";\n' + MESSAGES
        + service("Store", '  rpc Export(A) returns (A) { option (ipc.name) = "Fetch"; }\n'
                  '  rpc Other(A) returns (A) { option (ipc.name) = "delete"; }\n'),
    ),
    (
        "a renamed method",
        'import "ipc/options.proto";\n' + MESSAGES
        + service("Store", "  rpc ExportIt(A) returns (A) { option (ipc.id) = 0xf587ebcc; }\n"),
    ),
    # Services.
    ("a service without rpcs", MESSAGES + service("Later", "") + service("Store", unary("Put"))),
    ("only a service without rpcs", service("Later", "")),
    ("a file without services", MESSAGES),
    ("an empty file", ""),
    ("a service of the package's name", "package store;\n" + MESSAGES + service("Store", unary("Put"))),
    ("no package", "package ;\n" + MESSAGES + service("Store", unary("Put"))),
    (
        "services that are keywords somewhere",
        "package ;\n" + MESSAGES
        + "".join(service(n, unary("Put")) for n in "Int Register None Self Class Delete Sync Send".split()),
    ),
    (
        "services that are classes of generated code",
        MESSAGES + "".join(service(n, unary("Put")) for n in "Proxy Service S T Client Object Any str".split()),
    ),
    (
        "services with endings of another",
        MESSAGES + "".join(service(n, unary("Put")) for n in
                           "Echo EchoSync EchoService EchoSyncService EchoProxy EchoServer EchoOps".split()),
    ),
    ("XProxy and XServer are messages", MESSAGES + "message StoreProxy { int32 n = 1; }\n"
     "message StoreServer { int32 n = 1; }\n" + service("Store", unary("Put"))),
    ("services that differ in case", MESSAGES + "".join(service(n, unary("Put")) for n in ["GetURL", "GetUrl"])),
    ("a service and a method make another's name", MESSAGES + service("Echo", unary("OpsGet"))
     + service("EchoOps", unary("Put"))),
    ("generic services of protoc", "option cc_generic_services = true;\noption py_generic_services = true;\n"
     + MESSAGES + service("Twin", unary("Set")) + service("Twins", unary("Set"))),
    ("a nested type with the C++ name of a service", "message A { int32 n = 1; message B { int32 n = 1; } }\n"
     + service("A_B", unary("Put")) + service("AB", unary("Put"))),
    # Messages.
    ("messages that are words", "".join(f"message {n} {{ int32 n = 1; }}\n" for n in
     "Self Sync Send S T Ok Err Some Option Vec Box String Result Clone Debug Default Message".split())
     + service("Store", "  rpc Put(Self) returns (Sync);\n  rpc Two(S) returns (Option);\n")),
    ("nested and flat names", "message Disk { message State { int32 n = 1; } State state = 1; }\n"
     "message DiskState { int32 m = 1; }\n" + service("Svc", "  rpc Run(Disk) returns (DiskState);\n")),
    ("a oneof beside an enum", "message Choice { enum Kind { NONE = 0; NOT_SET = 1; } Kind k = 1;\n"
     "  oneof kind { int32 a = 2; int32 b = 3; } }\n" + service("Svc", "  rpc Two(Choice) returns (Choice);\n")),
    ("a oneof's own names not: cpp", "message C { enum KindCase { X = 0; } KindCase c = 1;\n"
     "  oneof kind { int32 aB = 2; int32 a_c = 3; } int32 kind_case = 4; }\n"
     + service("Svc", "  rpc Two(C) returns (C);\n")),
    ("messages that differ in case", "message ID { int32 n = 1; enum E { ZERO = 0; } }\n"
     "message Id { int32 n = 1; enum E { ZERO = 0; } E e = 2; ID other = 3; ID.E f = 4; }\n"
     + service("Svc", "  rpc Two(Id) returns (ID);\n")),
    ("messages with underscores", "message foo_bar { int32 n = 1; }\nmessage FooBar { int32 n = 1; foo_bar o = 2; }\n"
     "message Foo_ { int32 n = 1; }\nmessage Foo { int32 n = 1; }\n"
     + service("Svc", "  rpc Two(foo_bar) returns (FooBar);\n  rpc Three(Foo_) returns (Foo);\n")),
    ("messages in lower case", "message delete_ { int32 n = 1; }\nmessage errno1 { delete_ d = 1; }\n"
     + service("Svc", "  rpc Two(delete_) returns (errno1);\n")),
    ("recursive messages", "message Tree { Tree left = 1; repeated Tree more = 2; map<string, Tree> by = 3;\n"
     "  oneof up { Tree parent = 4; } }\n" + service("Svc", "  rpc Two(Tree) returns (Tree);\n")),
    # Fields.
    ("fields that are macros not: cpp", "message A { int32 errno = 1; int32 linux = 2; int32 unix = 3; int32 i386 = 4;\n"
     "  int32 stdin = 5; int32 NULL = 6; int32 EOF = 7; int32 assert = 8; int32 offsetof = 9; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("fields that are keywords", "message A {\n" + "".join(
        f"  int32 {n} = {i + 1};\n" for i, n in enumerate(dict.fromkeys(
            w.lower() for w in METHODS if w.lower() not in (
                "eof", "null", "errno", "stdin", "assert", "init", "super", "crate", "self"))))
     + "}\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("fields that are members of every message not: cpp", "message A { int32 base = 1; string descriptor = 2;\n"
     "  bytes unknown_fields = 3; repeated int32 x = 4; int32 n_x = 5; }\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("fields that are arguments", "message A { int32 self = 1; int32 timeout = 2; int32 metadata = 3;\n"
     "  int32 request = 4; int32 None = 5; }\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("fields that differ in case not: cpp", "syntax2\nmessage A { optional int32 aB = 1; optional int32 ab = 2; optional string AB = 3; }\n"
     + service("Svc", unary("Two"))),
    ("flags of proto2 not: cpp", 'syntax2\nmessage A { optional int32 x = 1; optional bool has_x = 2; }\n'
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("defaults of proto2", "syntax2\nmessage A { enum E { ONE = 1; TWO = 2; }\n"
     "  optional double a = 1 [default = inf]; optional double b = 2 [default = -inf];\n"
     "  optional double c = 3 [default = nan]; optional float d = 4 [default = inf];\n"
     "  optional float e = 5 [default = -inf]; optional float f = 6 [default = nan];\n"
     "  optional E g = 7 [default = TWO]; optional string h = 8 [default = \"a\\\"b\\n\"];\n"
     "  optional bytes i = 9 [default = \"\\001\\377\"]; optional int64 j = 10 [default = -9223372036854775808];\n"
     "  optional bool k = 11 [default = true]; optional double l = 12 [default = 1e300]; required string m = 13; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("optional in proto3", "enum E { Z = 0; } message B { int32 n = 1; }\n"
     "message A { optional string a = 1; optional bytes b = 2; optional int32 c = 3; optional E d = 4;\n"
     "  optional double e = 5; optional bool f = 6; optional sint64 g = 7; optional fixed32 h = 8; }\n"
     "message C { optional string s = 1; optional B b = 2; int32 plain = 3; oneof o { int32 x = 4; string y = 5; } }\n"
     + service("Svc", "  rpc Two(A) returns (C);\n  rpc Three(C) returns (A);\n")),
    ("optional fields with odd names", "message A { optional int32 errno_ = 1; optional string type = 2;\n"
     "  optional int32 delete = 3; optional int32 camelCase = 4; optional int32 UPPER = 5; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("a oneof of one", "message A { oneof only { string s = 1; } } message B { oneof n { int64 v = 1; } int32 m = 2; }\n"
     + service("Svc", "  rpc Two(A) returns (B);\n")),
    ("every scalar, single and repeated", "message A {\n" + "".join(
        f"  {t} s{i} = {2 * i + 1};\n  repeated {t} r{i} = {2 * i + 2};\n" for i, t in enumerate(
            "double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string bytes".split()))
     + "}\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("maps", "message B { int32 n = 1; } enum E { Z = 0; }\nmessage A { map<string, B> a = 1; map<int32, bytes> b = 2;\n"
     "  map<bool, E> c = 3; map<uint64, double> delete = 4; }\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("large field numbers", "message A { int32 a = 2047; int32 b = 2048; string c = 536870911; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("more fields than a codec has", "message A {\n" + "".join(f"  int32 f{i} = {i};\n" for i in range(1, 40)) + "}\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("reserved numbers and extensions", "syntax2\nmessage A { reserved 2, 5 to 9; reserved \"old\"; optional int32 n = 1;\n"
     "  extensions 100 to 200; }\nextend A { optional int32 more = 100; }\n" + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("a group that no method uses", "syntax2\nmessage G { optional group Old = 1 { optional int32 n = 2; } }\n"
     + MESSAGES.replace("int32", "optional int32") + service("Svc", unary("Two"))),
    # Enums.
    ("enum values that are words", "enum E { Z = 0; None = 1; True = 2; Self = 3; delete = 4; class = 5; NULL = 6; }\n"
     "message A { E e = 1; }\n" + service("Svc", unary("Two"))),
    ("enum values that differ in case", "enum E { ZERO = 0; Zero = 1; zero = 2; }\nmessage A { E e = 1; }\n"
     .replace("Zero = 1; zero = 2;", "ONE = 1;") + service("Svc", unary("Two"))),
    ("aliases and negative numbers", "enum E { option allow_alias = true; Z = 0; ALSO = 0; LOW = -2147483648; }\n"
     "message A { E e = 1; repeated E es = 2; }\n" + service("Svc", unary("Two"))),
    ("enum values with the enum's name", "enum Kind { KIND_UNKNOWN = 0; KIND_1 = 1; KIND = 2; }\nmessage A { Kind kind = 1; }\n"
     + service("Svc", unary("Two"))),
    ("messages and values without a package", "package ;\nenum Kind { NONE = 0; } message A { Kind k = 1; }\n"
     + service("Svc", unary("Two"))),
    # Files.
    ("an import", "// file: lib/types.proto\npackage lib;\nmessage T { int32 n = 1; enum E { Z = 0; } }\n"
     'import "lib/types.proto";\nmessage A { lib.T t = 1; lib.T.E e = 2; }\n' + service("Svc", "  rpc Two(lib.T) returns (A);\n")),
    ("a public import", "// file: low.proto\npackage low;\nmessage T { int32 n = 1; }\n"
     '// file: mid.proto\npackage mid;\nimport public "low.proto";\n'
     'import "mid.proto";\nmessage A { low.T t = 1; }\n' + service("Svc", "  rpc Two(low.T) returns (A);\n")),
    ("options of others, as annotations are",
     '// file: notes.proto\nsyntax2\npackage notes;\nimport "google/protobuf/descriptor.proto";\n'
     "message Rule { optional string get = 1; }\nextend google.protobuf.MethodOptions { optional Rule http = 72295728; }\n"
     'import "notes.proto";\n' + MESSAGES
     + service("Svc", '  rpc Two(A) returns (A) { option (notes.http) = { get: "/v1/{name=a/*}" }; }\n')),
    ("options of others that are groups", '// file: notes.proto\nsyntax2\npackage notes;\nimport "google/protobuf/descriptor.proto";\n'
     "extend google.protobuf.FileOptions { optional group Note = 50900 { optional int32 n = 1; } }\n"
     "extend google.protobuf.MethodOptions { repeated group Rule = 50900 { optional int32 n = 1; } }\n"
     'import "notes.proto";\noption (notes.note).n = 5;\n' + MESSAGES
     + service("Svc", "  rpc Two(A) returns (A) { option (notes.rule) = { n: 1 }; }\n")),
    ("well-known types", "".join(f'import "google/protobuf/{n}.proto";\n' for n in
     "any duration empty field_mask struct timestamp wrappers".split())
     + "message A { google.protobuf.Timestamp t = 1; google.protobuf.Any a = 2; google.protobuf.Struct s = 3;\n"
     "  google.protobuf.FieldMask m = 4; google.protobuf.StringValue v = 5; map<string, google.protobuf.Value> w = 6; }\n"
     + service("Svc", "  rpc One(google.protobuf.Empty) returns (A);\n  rpc Two(google.protobuf.Duration) returns (google.protobuf.Empty);\n")),
    ("one name in two folders", "// file: a/types.proto\npackage a;\nmessage Header { int32 n = 1; }\n"
     "// file: b/types.proto\npackage b;\nmessage Header { int32 n = 1; }\n"
     'import "a/types.proto";\nimport "b/types.proto";\nmessage A { a.Header a = 1; b.Header b = 2; }\n'
     + service("Svc", "  rpc Two(a.Header) returns (b.Header);\n")),
    ("values MIN and MAX of a nested enum", "message A { enum P { X = 0; MIN = 1; MAX = 2; } P p = 1; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("a value of a nested enum that is protoc's not: cpp", "message A { enum P { X = 0; P_MIN = 1; } P p = 1; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("functions of two nested enums not: cpp", "message A { enum P { X = 0; } enum P_Name { Y = 0; } P p = 1; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("values that are macros not: cpp", "message A { enum P { X = 0; SEEK_SET = 1; SCHED_FIFO = 2; } P p = 1; }\n"
     + service("Svc", "  rpc Two(A) returns (A);\n")),
    ("a service and methods that are macros", MESSAGES + service("SEEK_END", unary("Two") + unary("EOF") + unary("alloca") + unary("linux"))),
    ("a package with libipc's prefix not: c", "package ipc_test;\n" + MESSAGES + service("Svc", unary("Two"))),
    ("a package of keywords not: cpp", "package class.delete.import;\n" + MESSAGES + service("Svc", unary("Two"))),
    ("a version (store.v1.proto)", "package store.v1;\n" + MESSAGES + service("Store", unary("Put"))),
    ("a file with a hyphen (my-store.proto)", MESSAGES + service("Store", unary("Put"))),
    ("a file with a digit in front (2fa.proto)", MESSAGES + service("Store", unary("Put"))),
    ("a folder that is a keyword (class/import.proto)", MESSAGES + service("Store", unary("Put"))),
    ("an imported folder that is a keyword", "// file: global/types.proto\npackage g;\nmessage T { int32 n = 1; }\n"
     'import "global/types.proto";\nmessage A { g.T t = 1; }\n' + service("Svc", "  rpc Two(g.T) returns (A);\n")),
    ("a folder with the name of a Python module (types/store.proto)", MESSAGES + service("Store", unary("Put"))),
    ("the same with a folder in front (shop/types/store.proto)", MESSAGES + service("Store", unary("Put"))),
    ("an imported folder with the name of a Python module", "// file: io.v1/types.proto\npackage g;\nmessage T { int32 n = 1; }\n"
     'import "io.v1/types.proto";\n' + service("Svc", "  rpc Two(g.T) returns (g.T);\n")),
    ("a folder with the name of a service", "// file: Svc/types.proto\npackage g;\nmessage T { int32 n = 1; }\n"
     'import "Svc/types.proto";\nmessage A { g.T t = 1; }\n' + service("Svc", "  rpc Two(g.T) returns (A);\n")),
    ("comments that look like code", "/* A. */\n// Ends */ and /* nests, \"quotes\" \\ and ```code```\n"
     + MESSAGES + "// Serves. \"\"\" */\n" + service("Svc", "  // Two ??/ \\\n" + unary("Two"))),
    ("deprecated methods, messages, fields, enums and services",
     "message A { int32 n = 1; string old = 2 [deprecated = true]; oneof o { B b = 3 [deprecated = true]; }\n"
     "  E e = 4; repeated E es = 5 [deprecated = true]; }\n"
     "message B { option deprecated = true; int32 n = 1; }\n"
     "enum E { option deprecated = true; Z = 0; OLD = 1 [deprecated = true]; }\n"
     + service("Svc", "  rpc Two(A) returns (B) { option deprecated = true; }\n"
               "  rpc Watch(A) returns (stream B) { option deprecated = true; }\n")
     + service("Old", "  option deprecated = true;\n" + unary("Two"))),
    # Names that caused errors in Rust.
    ("messages that are types and traits of Rust", "".join(f"message {n} {{ int32 n = 1; }}\n" for n in
     "u32 i32 str bool f64 usize Iterator Into From TryFrom TryInto AsRef Fn FnMut Drop Debug Eq Hash Copy Sized ToString "
     "HashMap ScalarWrapper KeyWrapper Client prost ipcbus core Body With".split())
     + "enum E { Z = 0; Self = 1; Ok = 2; None_ = 3; }\nmessage A { E e = 1; repeated E es = 2; optional E o = 3; map<string, E> m = 4;\n"
     "  optional string s = 5; optional bytes b = 6; u32 u = 7; repeated bool flags = 8; oneof f { str t = 9; E g = 10; } }\n"
     + service("Svc", "  rpc Two(A) returns (u32);\n  rpc Three(str) returns (Iterator);\n")),
    ("fields with the functions of others", "enum E { Z = 0; }\nmessage A { E kind = 1; E set_kind = 2; repeated E items = 3;\n"
     "  E push_items = 4; map<string, E> types = 5; E get_types = 6; E insert_types = 7; optional string name = 8;\n"
     "  map<int32, E> type = 9; repeated E match = 10; E self = 11; optional int32 super = 12; }\n"
     + service("Svc", unary("Two"))),
    ("names that cannot be raw identifiers", "package self.super.crate.u32;\n"
     "message Self { message Inner { int32 self = 1; } message crate { enum super { _ = 0; A = 1; Self = 2; } super s = 1; }\n"
     "  crate c = 2; Inner x = 3; oneof _ { int32 a = 4; } oneof super { string b = 5; Inner Self2 = 6; } }\n"
     "message _ { message __ { int32 n = 1; } __ a = 1; }\n"
     + service("self", "  rpc self(Self) returns (Self.crate);\n  rpc Super(_) returns (_.__);\n"
               "  rpc crate(stream Self.Inner) returns (stream Self.Inner);\n  rpc __(Self) returns (Self);\n")),
    ("modules and types of one name", "message Disk { message State { int32 n = 1; } oneof state { State a = 1; int32 b = 2; } }\n"
     "message disk { message state { int32 n = 1; } state s = 1; }\nmessage DISK { enum Disk { Z = 0; } Disk d = 1; }\n"
     "message Type { message Match { message Loop { int32 n = 1; } Loop l = 1; } Match m = 1; }\n"
     + service("Svc", "  rpc Two(Disk) returns (disk);\n  rpc Three(DISK) returns (Type.Match.Loop);\n")),
    ("a message beside a package of its name", "// file: low.proto\npackage a.store;\nmessage T { int32 n = 1; }\n"
     'import "low.proto";\npackage a;\nmessage Store { message Item { a.store.T t = 1; } Item item = 1; }\n'
     "message store_ { int32 n = 1; }\n" + service("Svc", "  rpc Two(Store) returns (a.store.T);\n")),
    ("packages at all depths",
     '// file: deep.proto\npackage a.b.c.d;\nimport "root.proto";\nmessage Deep { Top top = 1; message In { Top t = 1; } }\n'
     '// file: side.proto\npackage a.x;\nimport "deep.proto";\nmessage Side { a.b.c.d.Deep.In d = 1; }\n'
     "// file: root.proto\npackage ;\nmessage Top { int32 n = 1; }\n"
     'import "side.proto";\nimport "deep.proto";\nimport "root.proto";\npackage a.b;\n'
     "message A { c.d.Deep deep = 1; a.x.Side side = 2; Top top = 3; message N { message M { c.d.Deep.In i = 1; Top t = 2; a.x.Side s = 3; } M m = 1; } N n = 4; }\n"
     + service("Svc", "  rpc Two(A) returns (c.d.Deep);\n  rpc Three(Top) returns (stream a.x.Side);\n")),
    ("two files of one package", '// file: other.proto\nmessage T { enum E { Z = 0; } E e = 1; }\nservice Other { rpc Get(T) returns (T); }\n'
     'import "other.proto";\nmessage A { T t = 1; T.E e = 2; }\n' + service("Svc", "  rpc Two(T) returns (A);\n")),
    ("groups not: c", "syntax2\nmessage A { optional group One = 1 { optional int32 n = 1; } repeated group Many = 2 { required string s = 1; }\n"
     "  required group Must = 3 { optional A again = 1; } oneof o { group In = 4 { optional int32 n = 1; } int32 i = 5; } }\n"
     + service("Svc", unary("Two"))),
    ("recursion through messages", "message A { B b = 1; repeated A more = 2; map<string, A> by = 3; }\nmessage B { oneof o { C c = 1; int32 n = 2; } }\n"
     "message C { A a = 1; optional D d = 2; }\nmessage D { int32 n = 1; }\nmessage E { A a = 1; repeated B bs = 2; }\n"
     + service("Svc", "  rpc Two(A) returns (E);\n")),
    ("well-known types in all places", "".join(f'import "google/protobuf/{n}.proto";\n' for n in
     "any api descriptor duration empty field_mask source_context struct timestamp type wrappers".split())
     + "message A { google.protobuf.NullValue n = 1; repeated google.protobuf.Value v = 2; map<string, google.protobuf.Timestamp> t = 3;\n"
     "  google.protobuf.Field.Kind k = 5; google.protobuf.Api api = 6;\n"
     "  oneof o { google.protobuf.Empty e = 7; google.protobuf.ListValue l = 8; google.protobuf.BytesValue b = 9; }\n"
     "  optional google.protobuf.UInt64Value u = 10; google.protobuf.DescriptorProto.ExtensionRange r = 11; google.protobuf.Method m = 12; }\n"
     + service("Svc", "  rpc One(google.protobuf.StringValue) returns (stream google.protobuf.Any);\n"
               "  rpc Two(stream google.protobuf.Empty) returns (google.protobuf.FileDescriptorSet);\n  rpc Three(google.protobuf.SourceContext) returns (A);\n")),
    ("an enum of descriptor.proto", 'syntax2\nimport "google/protobuf/descriptor.proto";\nmessage A {\n'
     "  optional google.protobuf.FieldDescriptorProto.Type f = 1 [default = TYPE_GROUP]; }\n" + service("Svc", unary("Two"))),
    ("comments with code", "// Example:\n//\n//     let x: Wrong = 1;\n//\n// ```\n// fn f( {\n// ```\n" + MESSAGES
     + "//  * a list\n//\n//        code in it\n//\n// ~~~~ unclosed ```` fences\n"
     + service("Svc", "  // > quoted\n  // >\n  // >     code\n" + unary("Two") + "  //\tA tab.\n" + unary("Three")
               + "  // [links] <tags> https://example.org `code` \\\\ \u202etrojan\u202c\n" + unary("Four")
               + "  /* Indented\n   *     by a star\n   */\n" + unary("Five"))),
    ("defaults that are hard to quote", "syntax2\nmessage A { optional string a = 1 [default = \"\\\"\\\\ \\n\\t\\001 {} \u20ac\"];\n"
     "  optional bytes b = 2 [default = \"\\\"'\\\\\\n\\000\\377?\"]; optional string c = 3 [default = \"\"]; optional bytes d = 4 [default = \"\"];\n"
     "  enum E { option allow_alias = true; Z = 0; ALSO = 0; LOW = -1; } optional E e = 5 [default = ALSO]; required E f = 6 [default = LOW];\n"
     "  optional float g = 7 [default = 1.5e-30]; optional int32 h = 8 [default = -2147483648]; optional uint64 i = 9 [default = 18446744073709551615];\n"
     "  repeated E j = 10 [packed = true]; repeated int32 k = 11; }\n" + service("Svc", unary("Two"))),
    ("C names across packages", "// file: low.proto\npackage a.b;\nmessage C { int32 n = 1; }\nenum E { Z = 0; }\n"
     'import "low.proto";\npackage a.B;\nmessage C { a.b.C c = 1; a.b.E e = 2; message D { a.b.C c = 1; } D d = 3; }\nenum E { Y = 0; }\n'
     + service("Svc", "  rpc Two(C) returns (a.b.C);\n")),
    ("C names across packages that meet in a third not: c",
     "// file: one.proto\npackage a.b;\nmessage C { int32 n = 1; }\n"
     '// file: two.proto\npackage a;\nmessage B { message C { int32 n = 1; } C c = 1; }\n'
     'import "one.proto";\nimport "two.proto";\npackage x;\nmessage A { a.b.C c = 1; a.B.C d = 2; }\n'
     + service("Svc", "  rpc Two(a.b.C) returns (a.B.C);\n")),
    # Names used by protoc's C++ classes.
    ("a field beside the presence of another not: cpp", "message A { optional int32 x = 1; int32 has_x = 2; }\n" + service("Svc", unary("Two"))),
    ("a field beside the presence of a message not: cpp", "message A { A x = 1; int32 has_x = 2; }\n" + service("Svc", unary("Two"))),
    ("a field like the presence of one that has none", "message A { int32 x = 1; int32 has_x = 2; }\n" + service("Svc", unary("Two"))),
    ("a field beside the size of another not: cpp", "message A { repeated int32 x = 1; int32 x_size = 2; }\n" + service("Svc", unary("Two"))),
    ("fields like setters", "message A { int32 x = 1; int32 clear_x = 2; int32 set_x = 3; A y = 4; A mutable_y = 5; A release_y = 6;\n"
     "  string s = 7; string mutable_s = 8; string set_s = 9; repeated string t = 11; string add_t = 12; }\n" + service("Svc", unary("Two"))),
    ("a field beside the case of a oneof not: cpp", "message A { oneof o { int32 x = 1; int32 y = 2; } int32 o_case = 3; }\n" + service("Svc", unary("Two"))),
    ("a message beside the case of a oneof not: cpp", "message A { message KindCase { int32 n = 1; } oneof kind { int32 x = 1; KindCase y = 2; } }\n"
     + service("Svc", unary("Two"))),
    ("an enum value beside one of a oneof not: cpp", "message A { enum E { kX = 0; } oneof o { int32 x = 1; E y = 2; } }\n" + service("Svc", unary("Two"))),
    ("a nested type with the name of a function not: cpp", "message A { message Clear { int32 n = 1; } Clear c = 1; }\n" + service("Svc", unary("Two"))),
    ("a field with the name of its message not: cpp", "message a { int32 a = 1; }\n" + service("Svc", "  rpc Two(a) returns (a);\n")),
    ("a nested message with the name of its message not: cpp", "message A { message A { int32 n = 1; } A a = 1; }\n" + service("Svc", unary("Two"))),
    ("a flattened name that another message has not: cpp", "message A { message B { int32 n = 1; } B b = 1; }\nmessage A_B { int32 n = 1; }\n"
     + service("Svc", unary("Two"))),
    ("a message with the name of an enum's function not: cpp", "enum B { Z = 0; }\nmessage B_Name { B b = 1; }\n"
     + service("Svc", "  rpc Two(B_Name) returns (B_Name);\n")),
    ("an imported package that is a keyword not: cpp", "// file: low.proto\npackage a.namespace;\nmessage T { int32 n = 1; }\n"
     'import "low.proto";\nmessage A { a.namespace.T t = 1; }\n' + service("Svc", unary("Two"))),
    ("package std not: cpp", "package p.std.v1;\nmessage A { string s = 1; }\n" + service("Svc", unary("Two"))),
    ("a message with the name of a macro not: cpp", "message EOF { int32 n = 1; }\n" + service("Svc", "  rpc Two(EOF) returns (EOF);\n")),
    # Forms of the language.
    ("numbers at their limits", "message A { int32 low = 1; int32 high = 536870911; int32 before = 18999; int32 after = 20000; }\n" + service("Svc", unary("Two"))),
    ("reserved names and numbers", 'message A { reserved 2, 9 to 11, 100 to max; reserved "old", "older"; int32 n = 1; }\n'
     'enum E { reserved 2 to 4; reserved "OLD"; Z = 0; }\nmessage B { E e = 1; }\n' + service("Svc", "  rpc Two(A) returns (B);\n")),
    ("extensions", "syntax2\nmessage A { extensions 100 to max; optional int32 n = 1; }\nextend A { optional int32 more = 100; repeated A nested = 101; }\n"
     "message B { extend A { optional B of = 102; } optional int32 n = 1; }\n" + service("Svc", "  rpc Two(A) returns (B);\n")),
    ("required fields", "syntax2\nmessage A { required int32 n = 1; required string s = 2; required bytes b = 3; required A again = 4; required E e = 5; }\n"
     "enum E { ONE = 1; TWO = 2; }\n" + service("Svc", unary("Two"))),
    ("maps with keys of each kind", "message A { " + " ".join(f"map<{k}, int32> f{i} = {i};" for i, k in enumerate(
        "int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string".split(), 1)) + " }\n" + service("Svc", unary("Two"))),
    ("maps with values of each kind", "enum E { Z = 0; }\nmessage A { " + " ".join(f"map<string, {k}> f{i} = {i};" for i, k in enumerate(
        "double float int32 uint64 sint64 fixed32 sfixed64 bool string bytes E A".split(), 1)) + " }\n" + service("Svc", unary("Two"))),
    ("optional fields of each kind", "enum E { Z = 0; }\nmessage A { " + " ".join(f"optional {k} f{i} = {i};" for i, k in enumerate(
        "double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string bytes E A".split(), 1))
     + " }\n" + service("Svc", unary("Two"))),
    ("oneofs with fields of each kind", "enum E { Z = 0; }\nmessage A { oneof o { " + " ".join(f"{k} f{i} = {i};" for i, k in enumerate(
        "double float int32 uint64 sint32 fixed64 sfixed32 bool string bytes E A".split(), 1)) + " } }\n" + service("Svc", unary("Two"))),
    ("packed and unpacked lists", "message A { repeated int32 a = 1 [packed = false]; repeated bool b = 2 [packed = true]; repeated double c = 3; }\n"
     + service("Svc", unary("Two"))),
    ("options of files and fields", 'option java_package = "org.p";\noption go_package = "p/q;r";\noption optimize_for = SPEED;\noption cc_enable_arenas = true;\n'
     'option objc_class_prefix = "P";\nmessage A { int64 n = 1 [jstype = JS_STRING, json_name = "other"]; string s = 2 [ctype = STRING_PIECE];\n'
     "  A a = 3 [lazy = true]; }\n" + service("Svc", unary("Two"))),
    ("options of a file of one's own", '// file: notes.proto\nsyntax2\npackage notes;\nimport "google/protobuf/descriptor.proto";\n'
     "message Rule { repeated string names = 1; }\nextend google.protobuf.FieldOptions { optional Rule rule = 50001; }\n"
     "extend google.protobuf.EnumValueOptions { optional int32 weight = 50002; }\n"
     'import "notes.proto";\nenum E { Z = 0 [(notes.weight) = 3]; }\nmessage A { int32 n = 1 [(notes.rule) = { names: "a" names: "b" }]; E e = 2; }\n'
     + service("Svc", unary("Two"))),
    ("types by names from the root", "package a.b;\nmessage A { .a.b.A.In in = 1; message In { .a.b.A a = 1; b.A c = 2; A.In d = 3; } }\n"
     + service("Svc", "  rpc Two(.a.b.A) returns (b.A.In);\n")),
    ("many methods", "message A { int32 n = 1; }\n" + service("Svc", "".join(unary(f"Method{i}") for i in range(120)))),
    ("many fields", "message A { " + " ".join(f"string f{i} = {i};" for i in range(1, 201)) + " }\n" + service("Svc", unary("Two"))),
    ("long names", f"message {'Long' * 20} {{ int32 {'field_' * 15}x = 1; }}\n" + service("Service" * 10, f"  rpc {'Method' * 10}({'Long' * 20}) returns ({'Long' * 20});\n")),
    ("types five levels down", "message A { message B { message C { message D { enum E { Z = 0; } E e = 1; } D d = 1; } C c = 1; } B b = 1; }\n"
     + service("Svc", "  rpc Two(A.B.C.D) returns (A.B.C);\n")),
    ("all services of one message", "message A { int32 n = 1; }\n" + "".join(service(f"Svc{i}", unary("Two") + streams("Watch")) for i in range(8))),
    ("a public import of an import of another package", "// file: low.proto\npackage low;\nenum Level { LEVEL_NONE = 0; }\n"
     '// file: mid.proto\npackage mid;\nimport public "low.proto";\n'
     'import "mid.proto";\nmessage A { map<string, low.Level> levels = 1; }\n' + service("Svc", unary("Two"))),
    ("wrappers, durations and masks as requests", "".join(f'import "google/protobuf/{n}.proto";\n' for n in "wrappers duration field_mask".split())
     + service("Svc", "  rpc One(google.protobuf.Int64Value) returns (google.protobuf.BoolValue);\n"
               "  rpc Two(stream google.protobuf.Duration) returns (stream google.protobuf.FieldMask);\n")),
    # Typical services.
    ("health checks", "package grpc.health.v1;\nmessage HealthCheckRequest { string service = 1; }\n"
     "message HealthCheckResponse { enum ServingStatus { UNKNOWN = 0; SERVING = 1; } ServingStatus status = 1; }\n"
     + service("Health", "  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);\n"
               "  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);\n")),
    ("a key-value store", "package kvpb;\nmessage RangeRequest { bytes key = 1; int64 limit = 2; bool keys_only = 3; }\n"
     "message KeyValue { bytes key = 1; int64 mod_revision = 2; bytes value = 3; }\n"
     "message RangeResponse { repeated KeyValue kvs = 1; bool more = 2; }\n"
     "message Compare { enum Result { EQUAL = 0; LESS = 1; } Result result = 1; oneof target_union { int64 version = 2; bytes value = 3; } }\n"
     "message WatchRequest { oneof request_union { RangeRequest create_request = 1; int64 cancel = 2; } }\n"
     + service("KV", "  rpc Range(RangeRequest) returns (RangeResponse);\n  rpc Delete(RangeRequest) returns (RangeResponse);\n"
               "  rpc Txn(Compare) returns (RangeResponse);\n")
     + service("Watch", "  rpc Watch(stream WatchRequest) returns (stream RangeResponse);\n")),
    ("a device plugin", "package deviceplugin.v1;\nmessage Empty {}\nmessage Device { string ID = 1; string health = 2; }\n"
     "message ListAndWatchResponse { repeated Device devices = 1; }\n"
     "message RegisterRequest { string version = 1; string endpoint = 2; Empty options = 4; }\n"
     + service("Registration", "  rpc Register(RegisterRequest) returns (Empty);\n")
     + service("DevicePlugin", "  rpc ListAndWatch(Empty) returns (stream ListAndWatchResponse);\n"
               "  rpc GetDevicePluginOptions(Empty) returns (RegisterRequest);\n")),
    ("telemetry", "package telemetry.collector.v1;\nmessage Value { oneof value { string string_value = 1; bool bool_value = 2;\n"
     "  List array_value = 3; bytes bytes_value = 4; } }\nmessage List { repeated Value values = 1; }\n"
     "message Request { repeated Value resource = 1; optional double sum = 2; fixed64 time = 3; }\n"
     "message Response { int64 rejected = 1; string error_message = 2; }\n"
     + service("TraceService", "  rpc Export(Request) returns (Response) {}\n")),
]
