package newsletter

import (
	"errors"
	"strings"
	"time"
)

// Kind says what went wrong in words that a caller can act on. The HTTP status,
// the exit code and the Korean page follow from it, in one place each.
type Kind int

const (
	None         Kind = iota // no error
	Internal                 // everything not named below: ours to mend
	Invalid                  // what was given cannot be used; Field says which
	NotFound                 // no such thing
	Conflict                 // the thing is in another state, or exists already
	Unauthorized             // who are you?
	Forbidden                // not you
	Gone                     // it existed: expired or used up
	TooMany                  // wait; Error.After says how long, when known
	Unavailable              // the store or the house cannot answer now: try again
)

// Error is an error of the domain. Msg is Korean and may be shown to anyone; Err is
// the cause and goes to the log only.
type Error struct {
	Kind  Kind
	Field string // the name of the form field or JSON key, "" for the whole
	Code  string // stable snake_case name for programs, "" means the kind's own
	Msg   string
	Err   error
	After time.Duration // with TooMany: how long to wait, 0 when not known
}

func (e *Error) Error() string {
	var parts []string
	for _, s := range []string{e.Field, e.Msg} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return e.Kind.String()
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// String gives the kind's stable name, which is also the default API code.
func (k Kind) String() string {
	switch k {
	case None:
		return "ok"
	case Invalid:
		return "invalid"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case Unauthorized:
		return "unauthorized"
	case Forbidden:
		return "forbidden"
	case Gone:
		return "gone"
	case TooMany:
		return "too_many_requests"
	case Unavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// KindOf returns None for nil, the kind of the first *Error or *Faults in the chain,
// and Internal for everything else.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var f Faults
	if errors.As(err, &f) {
		return Invalid
	}
	return Internal
}

// codeOf is the code of the first *Error in the chain, "" when there is none.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// invalid is the commonest error: a field and what to do about it.
func invalid(field, msg string) *Error { return &Error{Kind: Invalid, Field: field, Msg: msg} }

// Faults are all the things wrong with one input, so that a person mends them in one
// go. An empty Faults is no error: return f.Err().
type Faults []*Error

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, e := range f {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "; ")
}

// Err returns nil when nothing is wrong.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// FaultsOf lists the faulty fields in err: of a Faults, or of one Invalid Error.
func FaultsOf(err error) []*Error {
	var f Faults
	if errors.As(err, &f) {
		return f
	}
	var e *Error
	if errors.As(err, &e) && e.Kind == Invalid {
		return []*Error{e}
	}
	return nil
}
