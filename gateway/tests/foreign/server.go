// SPDX-License-Identifier: MIT
//
// The server of interop.go: most of interop.Test, which interop.proto describes. It prints "ready"
// when it listens, and lines about calls for the cases: "taken", "note TEXT", "left MSEC" (of the
// deadline), "metadata NAME BASE64" and "canceled".
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes/any"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var errnos = map[int32]codes.Code{-2: codes.NotFound, -13: codes.PermissionDenied, -16: codes.FailedPrecondition,
	-22: codes.InvalidArgument, -34: codes.OutOfRange, -125: codes.Canceled}

// If the error has a name, the status contains an ipc.Error.
func failure(request *Request) error {
	if request.Name == "" {
		return status.Error(errnos[request.Code], request.Message)
	}
	bytes, err := proto.Marshal(&Error{Name: request.Name, Text: request.Message, Number: request.Number})
	if err != nil {
		return err
	}
	return status.ErrorProto(&rpc.Status{Code: int32(codes.Unknown), Message: request.Message,
		Details: []*any.Any{{TypeUrl: "type.googleapis.com/ipc.Error", Value: bytes}}})
}

func unary(stream grpc.ServerStream) error {
	var request Request
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	if request.Code != 0 || request.Name != "" {
		return failure(&request)
	}
	return stream.SendMsg(&Reply{Body: make([]byte, request.Size), RequestSize: uint32(len(request.Body))})
}

// Returns the caller's metadata with that name.
func metadataOf(stream grpc.ServerStream) error {
	var text Text
	if err := stream.RecvMsg(&text); err != nil {
		return err
	}
	got, _ := metadata.FromIncomingContext(stream.Context())
	value := strings.Join(got.Get(text.Text), ",")
	if strings.HasSuffix(text.Text, "-bin") {
		value = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return stream.SendMsg(&Text{Text: value})
}

func note(stream grpc.ServerStream) error {
	var text Text
	if err := stream.RecvMsg(&text); err != nil {
		return err
	}
	fmt.Println("note", text.Text)
	if text.Text == "refused" {
		return status.Error(codes.PermissionDenied, "not this")
	}
	return stream.SendMsg(&Empty{})
}

func input(stream grpc.ServerStream) error {
	var reply Reply
	for {
		var request Request
		err := stream.RecvMsg(&request)
		if err == io.EOF {
			return stream.SendMsg(&reply)
		}
		if err != nil {
			return err
		}
		fmt.Println("taken")
		if request.Code != 0 || request.Name != "" {
			return failure(&request)
		}
		reply.RequestSize += uint32(len(request.Body))
	}
}

func output(stream grpc.ServerStream) error {
	var plan Plan
	err := stream.RecvMsg(&plan)
	for i := uint32(0); err == nil && i < plan.Replies; i++ {
		time.Sleep(time.Duration(plan.SleepMsec) * time.Millisecond)
		err = stream.SendMsg(&Reply{Body: make([]byte, plan.Size), RequestSize: i})
	}
	if err == nil && plan.Code != 0 {
		err = failure(&Request{Code: plan.Code, Message: plan.Message})
	}
	return err
}

func duplex(stream grpc.ServerStream) error {
	got, _ := metadata.FromIncomingContext(stream.Context())
	for name, values := range got {
		for _, value := range values {
			fmt.Println("metadata", name, base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	for {
		var request Request
		err := stream.RecvMsg(&request)
		if err == io.EOF {
			return nil
		}
		if err == nil && (request.Code != 0 || request.Name != "") {
			return failure(&request)
		}
		if err == nil {
			err = stream.SendMsg(&Reply{Body: make([]byte, request.Size),
				RequestSize: uint32(len(request.Body))})
		}
		if err != nil {
			return err
		}
	}
}

// Neither receives nor sends.
func deaf(stream grpc.ServerStream) error {
	if until, ok := stream.Context().Deadline(); ok {
		fmt.Println("left", time.Until(until).Milliseconds())
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func serve(_ interface{}, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	switch strings.TrimPrefix(method, service) {
	case "Empty":
		if err := stream.RecvMsg(&Empty{}); err != nil {
			return err
		}
		return stream.SendMsg(&Empty{})
	case "Unary":
		return unary(stream)
	case "Metadata":
		return metadataOf(stream)
	case "Note":
		return note(stream)
	case "Input":
		return input(stream)
	case "Output":
		return output(stream)
	case "Duplex":
		return duplex(stream)
	case "Keep", "Deaf":
		return deaf(stream)
	}
	return status.Error(codes.Unimplemented, method)
}

func watched(server interface{}, stream grpc.ServerStream) error {
	err := serve(server, stream)
	if stream.Context().Err() != nil {
		fmt.Println("canceled")
	}
	return err
}

func server(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return grpc.NewServer(grpc.UnknownServiceHandler(watched)).Serve(listener)
}
