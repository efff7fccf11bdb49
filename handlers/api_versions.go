package handlers

import (
	"net/http"
	"strconv"
	"strings"
)

const ifMatchDoc = "적은 것만 바꿔요. `If-Match`에 앞서 받은 `ETag`를 넣으면, 그사이 바뀌었을 때 412로 답하고 아무것도 바꾸지 않아요."

func etagOf(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matches compares If-Match with the stored version; "" and * take any. A weak tag never matches (RFC 9110, 13.1.1).
func matches(ifMatch string, version int64) error {
	if ifMatch == "" {
		return nil
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etagOf(version) {
			return nil
		}
	}
	return refuse(http.StatusPreconditionFailed, "version", "다른 곳에서 먼저 바뀌었어요. 다시 읽어서 비교해 주세요.")
}

// set changes what was given.
func set[T any](into *T, from *T) {
	if from != nil {
		*into = *from
	}
}
