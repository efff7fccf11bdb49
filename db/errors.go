package db

import "techissue/newsletter"

// missing puts a reader's words to a NotFound that a scan gave without any.
func missing(err error, msg string) error {
	if newsletter.KindOf(err) == newsletter.NotFound {
		return &newsletter.Error{Kind: newsletter.NotFound, Msg: msg, Err: err}
	}
	return err
}

// taken puts words to a Conflict.
func taken(err error, field, msg string) error {
	if newsletter.KindOf(err) == newsletter.Conflict {
		return &newsletter.Error{Kind: newsletter.Conflict, Code: "exists", Field: field, Msg: msg, Err: err}
	}
	return err
}

var (
	errVersion = &newsletter.Error{Kind: newsletter.Conflict, Code: "version", Msg: "다른 창에서 바뀌었어요."}
	errState   = &newsletter.Error{Kind: newsletter.Conflict, Code: "state", Msg: "상태가 이미 바뀌었어요."}
)

// where gathers the conditions of a list, each a constant text with its values.
type where struct {
	text string
	args []any
}

func (w *where) and(condition string, args ...any) {
	w.text += " AND " + condition
	w.args = append(w.args, args...)
}
