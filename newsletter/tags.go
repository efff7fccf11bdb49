package newsletter

import (
	"slices"
	"strings"
)

const (
	maxTag  = 50 // characters
	maxTags = 50
)

// cleanTags sorts tags, drops blank and repeated ones, and refuses with an Invalid error of the field tags what cannot
// stand in a list separated by commas.
func cleanTags(raw []string) ([]string, error) {
	var tags []string
	for _, t := range raw {
		t, err := CleanLine(t, maxTag)
		if err != nil {
			return nil, invalid("tags", "태그는 한 줄, 50자까지 쓸 수 있어요.")
		}
		if strings.Contains(t, ",") {
			return nil, invalid("tags", "태그에는 쉼표를 쓸 수 없어요.")
		}
		if t != "" {
			tags = append(tags, t)
		}
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) > maxTags {
		return nil, invalid("tags", "태그는 50개까지 달 수 있어요.")
	}
	return tags, nil
}
