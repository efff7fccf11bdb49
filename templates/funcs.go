package templates

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// funcs is the whole vocabulary of page templates: dates, numbers, addresses. Nothing here reads the
// environment, a file or the network (S23).
func funcs(o Options, assets *Assets) template.FuncMap {
	loc := o.Location
	if loc == nil {
		loc = time.UTC
	}
	return template.FuncMap{
		"asset":    assets.URL,
		"date":     func(t time.Time) string { return formatIn(t, loc, "2006.01.02") },
		"longdate": func(t time.Time) string { return formatIn(t, loc, "2006년 1월 2일") },
		"datetime": func(t time.Time) string { return dateTime(t, loc) },
		"clock":    func(t time.Time) string { return formatIn(t, loc, "15:04:05") },
		"iso":      func(t time.Time) string { return formatIn(t, loc, time.RFC3339) },
		"since":    func(t time.Time) string { return since(t, o.Now(), loc) },
		"num":      thousands,
		"path":     url.PathEscape,
		"add":      func(a, b int) int { return a + b },
		"dict":     dict,
		"host":     hostOf,
		"initial":  initial,
		"said":     said,
	}
}

func formatIn(t time.Time, loc *time.Location, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.In(loc).Format(layout)
}

var weekdays = [...]string{"일", "월", "화", "수", "목", "금", "토"}

// dateTime is 2026년 11월 23일 (월) 오전 8:00.
func dateTime(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(loc)
	half, hour := "오전", t.Hour()
	if hour >= 12 {
		half, hour = "오후", hour-12
	}
	if hour == 0 {
		hour = 12
	}
	return fmt.Sprintf("%s (%s) %s %d:%02d", t.Format("2006년 1월 2일"), weekdays[t.Weekday()], half, hour, t.Minute())
}

// since is relative under seven days and a date after them.
func since(t, now time.Time, loc *time.Location) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "방금"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "분 전"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "시간 전"
	case d < 7*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "일 전"
	}
	return formatIn(t, loc, "2006.01.02")
}

// thousands writes any integer as 1,234.
func thousands(n any) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// dict makes a map for a partial that takes several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// hostOf is the place a link leads to, as people say it.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Hostname(), "www.")
}

// initial is the first letter of a name, for a picture of somebody without one.
func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}
