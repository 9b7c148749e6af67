/* SPDX-License-Identifier: MIT */
/*
 * The parts of a schema, for the files of schema/: see schema.h.
 */
#ifndef SCHEMA_PRIVATE_H
#define SCHEMA_PRIVATE_H

#include "schema.h"
#include "wire.h"

/* Maximum nesting of messages and of their descriptions, as in libipc. */
#define SCHEMA_DEPTH 100

/* Types of fields, with the numbers of descriptor.proto. */
enum field_type {
	FIELD_DOUBLE = 1,
	FIELD_FLOAT,
	FIELD_INT64,
	FIELD_UINT64,
	FIELD_INT32,
	FIELD_FIXED64,
	FIELD_FIXED32,
	FIELD_BOOL,
	FIELD_STRING,
	FIELD_MESSAGE = 11,
	FIELD_BYTES,
	FIELD_UINT32,
	FIELD_ENUM,
	FIELD_SFIXED32,
	FIELD_SFIXED64,
	FIELD_SINT32,
	FIELD_SINT64,
	N_FIELD_TYPES
};

/**
 * struct field_kind - encoding of the fields of a type
 * @name: in a .proto file
 * @wire: WIRE_*
 * @min: smallest value of a number
 * @max: largest value of a number
 */
struct field_kind {
	const char *name;
	unsigned int wire;
	int64_t min;
	uint64_t max;
};

extern const struct field_kind field_kinds[N_FIELD_TYPES];

/**
 * struct schema_field - a field of a message
 * @name: its name
 * @json_name: its name in JSON
 * @number: its number
 * @type: enum field_type; a group is a FIELD_MESSAGE
 * @wire: WIRE_* of a value; a @packed array is WIRE_BYTES
 * @repeated: the field is an array
 * @required: proto2: the field must be present
 * @packed: an array that is sent as one field
 * @implicit: proto3: zero is not sent. If the field was not sent, zero is shown.
 * @oneof: index of its oneof, or -1
 * @is: type of a message or enum
 */
struct schema_field {
	const char *name;
	char *json_name;
	uint32_t number;
	enum field_type type;
	unsigned int wire;
	bool repeated;
	bool required;
	bool packed;
	bool implicit;
	int oneof;
	const struct schema_type *is;
};

/* Types by their JSON: that of a KIND_PLAIN message is an object with its fields. */
enum schema_kind {
	KIND_PLAIN,
	KIND_OBJECT,
	KIND_FD,
	KIND_ANY,
	KIND_TIMESTAMP,
	KIND_DURATION,
	KIND_FIELD_MASK,
	KIND_STRUCT,
	KIND_LIST,
	KIND_VALUE,
	KIND_WRAPPER,
	KIND_NULL, /* an enum */
};

/**
 * struct schema_type - a message or an enum
 * @name: full name with a leading dot (".pkg.Outer.Inner")
 * @message: its description, or NULL
 * @values: description of an enum, or NULL
 * @schema: the schema that contains it
 * @proto3: the file has proto3 syntax, so enums are open. In proto2, enums are closed.
 * @kind: see enum schema_kind
 * @is_map: type of the entries of a map: key and value are its two fields
 * @is_group: type of a group, which is a field of the enclosing message
 * @index: of a message: its index in the file or the enclosing message
 * @fields: of a message: @n_fields fields, by number
 */
struct schema_type {
	char *name;
	const Google__Protobuf__DescriptorProto *message;
	const Google__Protobuf__EnumDescriptorProto *values;
	const struct schema *schema;
	bool proto3;
	enum schema_kind kind;
	bool is_map;
	bool is_group;
	size_t index;
	struct schema_field *fields;
	size_t n_fields;
};

struct schema {
	Google__Protobuf__FileDescriptorSet *set;
	const Google__Protobuf__FileDescriptorProto *file; /* the file with the service */
	char *interface;
	struct schema_method *methods;
	size_t n_methods;
	struct schema_type *types; /* by name */
	size_t n_types;
};

/* Returns a message by its full name (".pkg.Type"), or NULL. */
const struct schema_type *schema_message_type(const struct schema *schema, const char *name);

/* Returns the type that the URL of a google.protobuf.Any names after its last slash, or NULL. */
const struct schema_type *schema_any_type(const struct schema *schema, const char *url,
					  size_t size);

/* Returns the JSON name of a field without json_name. The caller must free it. */
char *schema_json_name(const char *name);

/* Returns the field of a message with that number, or NULL. */
const struct schema_field *schema_field_at(const struct schema_type *type, uint32_t number);

/* Returns the name of a value of an enum, the first of its aliases, or NULL. */
const char *schema_value_name(const struct schema_type *type, int32_t value);
/* Returns true for a value that the enum contains, and for any value of an open enum. */
bool schema_has_value(const struct schema_type *type, int32_t value);

/* --- Types with their own JSON (known.c) ------------------------------------------ */

/* Convert between the JSON of a type and the JSON of its fields: "1.5s" and {"seconds": "1",
 * "nanos": 500000000}. The JSON of a KIND_PLAIN message is already the JSON of its fields.
 * known_fields() returns a new reference, or NULL for JSON that does not suit the type.
 * known_json() takes the reference of the fields, which must include fields without presence. It
 * returns NULL for fields that have no JSON, such as a time after the year 9999. */
json_t *known_fields(enum schema_kind kind, const json_t *json);
json_t *known_json(enum schema_kind kind, json_t *fields);
/* Returns a description of the JSON of such a type, for messages. */
const char *known_expected(enum schema_kind kind);

/* Numbers of options in ipc/options.proto. */
#define OPTION_ONEWAY	  50601
#define OPTION_ID	  50602
#define OPTION_TIMEOUT_MS 50603
#define OPTION_COPY	  50604
#define OPTION_NAME	  50606
#define OPTION_C_PREFIX	  50601 /* of a service */
#define OPTION_PREFIX_PACKAGE 50601 /* of a file */

/* Get an option. Return false or NULL for an option that is not set. To protobuf-c the options of
 * ipc/options.proto are unknown fields. schema_text_option() returns only identifiers, as
 * protoc-gen-ipc requires. The caller must free the text. */
bool schema_option(const ProtobufCMessage *options, uint32_t number, uint64_t *ret_value);
char *schema_text_option(const ProtobufCMessage *options, uint32_t number);
/* The options of a descriptor, or NULL. */
#define SCHEMA_OPTIONS(descriptor) ((descriptor)->options ? &(descriptor)->options->base : NULL)

#endif
