package db

import (
	"fmt"
	"strings"
	"time"
)

// ms is how a time is stored: Unix milliseconds.
func ms(t time.Time) int64 { return t.UnixMilli() }

// fromMS gives a stored time back, in UTC.
func fromMS(n int64) time.Time { return time.UnixMilli(n).UTC() }

// orNull stores the zero time as NULL.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return ms(t)
}

// idOrNull stores the id 0 as NULL.
func idOrNull[ID ~int64](id ID) any {
	if id == 0 {
		return nil
	}
	return int64(id)
}

// textOrNull stores "" as NULL.
func textOrNull[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// flag is how a bool is stored; PostgreSQL takes no bool for an INTEGER column.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// asTime scans a stored time into t; NULL gives the zero time.
func asTime(t *time.Time) timeScan { return timeScan{t} }

type timeScan struct{ t *time.Time }

func (s timeScan) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = fromMS(v)
	default:
		return fmt.Errorf("a time was stored as %T", v)
	}
	return nil
}

// asFlag scans a stored bool into b; NULL gives false.
func asFlag(b *bool) flagScan { return flagScan{b} }

type flagScan struct{ b *bool }

func (s flagScan) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.b = false
	case int64:
		*s.b = v != 0
	default:
		return fmt.Errorf("a flag was stored as %T", v)
	}
	return nil
}

// asID scans an id into id; NULL gives 0.
func asID[ID ~int64](id *ID) idScan[ID] { return idScan[ID]{id} }

type idScan[ID ~int64] struct{ id *ID }

func (s idScan[ID]) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.id = 0
	case int64:
		*s.id = ID(v)
	default:
		return fmt.Errorf("an id was stored as %T", v)
	}
	return nil
}

// asText scans a text into s; NULL gives "".
func asText[S ~string](s *S) textScan[S] { return textScan[S]{s} }

type textScan[S ~string] struct{ s *S }

func (t textScan[S]) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*t.s = ""
	case string:
		*t.s = S(v)
	case []byte:
		*t.s = S(v)
	default:
		return fmt.Errorf("a text was stored as %T", v)
	}
	return nil
}

// marks gives the inside of IN (…) for n values, n ≥ 1: "?, ?, ?".
func marks(n int) string {
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
}

// anyOf turns a list into arguments for marks.
func anyOf[T any](list []T) []any {
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = v
	}
	return args
}

// contains gives the pattern of {{like}} ? ESCAPE '\' that finds s anywhere.
func contains(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s) + "%"
}
