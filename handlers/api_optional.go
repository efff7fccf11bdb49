package handlers

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// optional is a field of a PATCH: left out, null, or a value. A pointer cannot tell the first two apart.
type optional[T any] struct {
	given, null bool
	value       T
}

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	o.given = true
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		o.null = true
		return nil
	}
	return json.Unmarshal(b, &o.value)
}

// MarshalJSON is asked for examples only.
func (o optional[T]) MarshalJSON() ([]byte, error) {
	if !o.given || o.null {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// Schema is the value's own, or null.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}
