// SPDX-License-Identifier: MIT
//
// A client and a server with grpc-go: interop client ADDRESS | interop server ADDRESS. The client
// prints a line for each of gRPC's interop cases: "ok NAME", or "not ok NAME: reason". server.go
// has the server.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// --- Messages of interop.proto -------------------------------------------------------------

type Empty struct{}

type Request struct {
	Size    uint32 `protobuf:"varint,1,opt,name=size,proto3"`
	Body    []byte `protobuf:"bytes,2,opt,name=body,proto3"`
	Code    int32  `protobuf:"zigzag32,3,opt,name=code,proto3"`
	Name    string `protobuf:"bytes,4,opt,name=name,proto3"`
	Message string `protobuf:"bytes,5,opt,name=message,proto3"`
	Number  int32  `protobuf:"zigzag32,6,opt,name=number,proto3"`
}

type Reply struct {
	Body        []byte `protobuf:"bytes,1,opt,name=body,proto3"`
	RequestSize uint32 `protobuf:"varint,2,opt,name=request_size,proto3"`
}

type Plan struct {
	Replies   uint32 `protobuf:"varint,1,opt,name=replies,proto3"`
	Size      uint32 `protobuf:"varint,2,opt,name=size,proto3"`
	Code      int32  `protobuf:"zigzag32,3,opt,name=code,proto3"`
	Message   string `protobuf:"bytes,4,opt,name=message,proto3"`
	SleepMsec uint32 `protobuf:"varint,5,opt,name=sleep_msec,proto3"`
}

type Text struct {
	Text string `protobuf:"bytes,1,opt,name=text,proto3"`
}

// ipc.Error, without its details.
type Error struct {
	Name   string `protobuf:"bytes,1,opt,name=name"`
	Text   string `protobuf:"bytes,2,opt,name=text"`
	Number int32  `protobuf:"zigzag32,3,opt,name=number"`
}

func (m *Empty) Reset()           { *m = Empty{} }
func (m *Empty) String() string   { return "" }
func (*Empty) ProtoMessage()      {}
func (m *Request) Reset()         { *m = Request{} }
func (m *Request) String() string { return m.Message }
func (*Request) ProtoMessage()    {}
func (m *Reply) Reset()           { *m = Reply{} }
func (m *Reply) String() string   { return "" }
func (*Reply) ProtoMessage()      {}
func (m *Plan) Reset()            { *m = Plan{} }
func (m *Plan) String() string    { return "" }
func (*Plan) ProtoMessage()       {}
func (m *Text) Reset()            { *m = Text{} }
func (m *Text) String() string    { return m.Text }
func (*Text) ProtoMessage()       {}
func (m *Error) Reset()           { *m = Error{} }
func (m *Error) String() string   { return m.Text }
func (*Error) ProtoMessage()      {}

// --- The client ----------------------------------------------------------------------------

const service = "/interop.Test/"
const special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"

var connection *grpc.ClientConn
var sizes = []int{27182, 8, 1828, 45904}

func call(ctx context.Context, method string, request, reply interface{}) error {
	return connection.Invoke(ctx, service+method, request, reply)
}

func open(ctx context.Context, method string) (grpc.ClientStream, error) {
	return connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		service+method)
}

func fails(code codes.Code, message string, err error) error {
	if status.Code(err) != code || (message != "" && status.Convert(err).Message() != message) {
		return fmt.Errorf("%v, not %v %q", err, code, message)
	}
	return nil
}

func want(ok bool, err error) error {
	if err == nil && !ok {
		return errors.New("the reply is another one")
	}
	return err
}

func emptyUnary(ctx context.Context) error {
	return call(ctx, "Empty", &Empty{}, &Empty{})
}

func largeUnary(ctx context.Context) error {
	var reply Reply
	err := call(ctx, "Unary", &Request{Size: 314159, Body: make([]byte, 271828)}, &reply)
	return want(len(reply.Body) == 314159 && reply.RequestSize == 271828, err)
}

func clientStreaming(ctx context.Context) error {
	var reply Reply
	stream, err := open(ctx, "Input")
	for i := 0; err == nil && i < len(sizes); i++ {
		err = stream.SendMsg(&Request{Body: make([]byte, sizes[i])})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil {
		err = stream.RecvMsg(&reply)
	}
	return want(reply.RequestSize == 74922, err)
}

func serverStreaming(ctx context.Context) error {
	var n int
	stream, err := open(ctx, "Output")
	if err == nil {
		err = stream.SendMsg(&Plan{Replies: 50, Size: 31415})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for ; err == nil; n++ {
		var reply Reply
		err = stream.RecvMsg(&reply)
		if err == nil && len(reply.Body) != 31415 {
			return errors.New("a reply has another size")
		}
	}
	if err == io.EOF {
		err = nil
	}
	return want(n == 51, err)
}

func pingPong(ctx context.Context) error {
	stream, err := open(ctx, "Duplex")
	for i := 0; err == nil && i < len(sizes); i++ {
		var reply Reply
		err = stream.SendMsg(&Request{Size: uint32(sizes[i]), Body: make([]byte, i)})
		if err == nil {
			err = stream.RecvMsg(&reply)
		}
		err = want(len(reply.Body) == sizes[i], err)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil && stream.RecvMsg(&Reply{}) != io.EOF {
		return errors.New("it does not end")
	}
	return err
}

func emptyStream(ctx context.Context) error {
	stream, err := open(ctx, "Duplex")
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil && stream.RecvMsg(&Reply{}) != io.EOF {
		return errors.New("it does not end")
	}
	return err
}

func cancelAfterBegin(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := open(ctx, "Input")
	cancel()
	if err != nil {
		return err
	}
	return fails(codes.Canceled, "", stream.RecvMsg(&Reply{}))
}

func cancelAfterFirstResponse(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, "Duplex")
	if err == nil {
		err = stream.SendMsg(&Request{Size: 31415, Body: make([]byte, 27182)})
	}
	if err == nil {
		err = stream.RecvMsg(&Reply{})
	}
	if err != nil {
		return err
	}
	cancel()
	return fails(codes.Canceled, "", stream.RecvMsg(&Reply{}))
}

func timeoutOnSleepingServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	return fails(codes.DeadlineExceeded, "", call(ctx, "Keep", &Empty{}, &Empty{}))
}

func statusCodeAndMessage(ctx context.Context) error {
	request := Request{Name: "interop.Special", Message: "test status message"}
	return fails(codes.Unknown, request.Message, call(ctx, "Unary", &request, &Reply{}))
}

func specialStatusMessage(ctx context.Context) error {
	return fails(codes.NotFound, special,
		call(ctx, "Unary", &Request{Code: -2, Message: special}, &Reply{}))
}

func unimplementedMethod(ctx context.Context) error {
	return fails(codes.Unimplemented, "", call(ctx, "Missing", &Empty{}, &Empty{}))
}

func unimplementedService(ctx context.Context) error {
	return fails(codes.Unimplemented, "",
		connection.Invoke(ctx, "/interop.None/Empty", &Empty{}, &Empty{}))
}

func customMetadata(ctx context.Context) error {
	var text, binary Text
	ctx = metadata.AppendToOutgoingContext(ctx, "x-grpc-test-echo-initial",
		"test_initial_metadata_value", "x-grpc-test-bin", "\xab\xab\xab")
	err := call(ctx, "Metadata", &Text{Text: "x-grpc-test-echo-initial"}, &text)
	err = want(text.Text == "test_initial_metadata_value", err)
	if err == nil {
		err = call(ctx, "Metadata", &Text{Text: "x-grpc-test-bin"}, &binary)
	}
	bin, _ := base64.StdEncoding.DecodeString(binary.Text)
	return want(bytes.Equal(bin, []byte("\xab\xab\xab")), err)
}

var cases = []struct {
	name string
	run  func(context.Context) error
}{
	{"empty_unary", emptyUnary},
	{"large_unary", largeUnary},
	{"client_streaming", clientStreaming},
	{"server_streaming", serverStreaming},
	{"ping_pong", pingPong},
	{"empty_stream", emptyStream},
	{"cancel_after_begin", cancelAfterBegin},
	{"cancel_after_first_response", cancelAfterFirstResponse},
	{"timeout_on_sleeping_server", timeoutOnSleepingServer},
	{"status_code_and_message", statusCodeAndMessage},
	{"special_status_message", specialStatusMessage},
	{"unimplemented_method", unimplementedMethod},
	{"unimplemented_service", unimplementedService},
	{"custom_metadata", customMetadata},
}

func client(path string) error {
	var err error
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	connection, err = grpc.Dial("passthrough:///gateway", grpc.WithInsecure(),
		grpc.WithContextDialer(dial))
	if err != nil {
		return err
	}
	for _, each := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if err := each.run(ctx); err != nil {
			fmt.Printf("not ok %s: %v\n", each.name, err)
		} else {
			fmt.Printf("ok %s\n", each.name)
		}
		cancel()
	}
	return connection.Close()
}

func main() {
	path := strings.TrimPrefix(os.Args[2], "unix:")
	run := map[string]func(string) error{"client": client, "server": server}[os.Args[1]]
	if err := run(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
