package devhost

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// envelope is the body of an invocation: POST /<FunctionName>.
type envelope struct {
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

type timerInfo struct {
	Schedule       timerSchedule
	ScheduleStatus *scheduleStatus
	IsPastDue      bool
}

type timerSchedule struct{ AdjustForDST bool }

type scheduleStatus struct{ Last, Next, LastUpdated string }

type sysInfo struct{ MethodName, UtcNow, RandGuid string }

// retryContext goes to a function with a retry policy; RetryCount is 0 on the first try.
type retryContext struct {
	RetryCount    int
	MaxRetryCount int
	Exception     *exception
	Instance      *string
	State         struct{}
}

// exception is what is left of a failed try. The host's has its stack, too: about 4 KB.
type exception struct {
	InstanceId, MethodName string
	Handled                bool
	ClassName, Message     string
	Data                   *string
	InnerException         struct{ Message string }
}

func failedTry(function, id, cause string) *exception {
	e := &exception{InstanceId: id, MethodName: "Host.Functions." + function,
		ClassName: "Microsoft.Azure.WebJobs.Host.FunctionInvocationException",
		Message:   "Exception while executing function: Functions." + function}
	e.InnerException.Message = cause
	return e
}

// timerCall is what one timer request says.
type timerCall struct {
	function string
	binding  string // the trigger's name in function.json
	cron     bool   // and not an interval
	status   *Status
	input    *string // of a run by hand
	pastDue  bool
	retry    *retryContext
	now      time.Time
	guid     string
}

// body encodes the request of a timer run.
func (c timerCall) body() ([]byte, error) {
	info := timerInfo{Schedule: timerSchedule{AdjustForDST: c.cron}, IsPastDue: c.pastDue}
	if c.status != nil {
		info.ScheduleStatus = &scheduleStatus{
			Last: netTime(c.status.Last), Next: netTime(c.status.Next), LastUpdated: netTime(c.status.LastUpdated),
		}
	}
	metadata := map[string]any{
		"sys": sysInfo{MethodName: c.function, UtcNow: c.now.UTC().Format("2006-01-02T15:04:05.9999999Z07:00"),
			RandGuid: c.guid},
	}
	if c.input != nil {
		metadata[c.binding] = *c.input
	}
	if c.retry != nil {
		metadata["RetryContext"] = *c.retry
	}
	e := envelope{Data: map[string]json.RawMessage{}, Metadata: map[string]json.RawMessage{}}
	var err error
	if e.Data[c.binding], err = encodeValue(info); err != nil {
		return nil, err
	}
	for name, value := range metadata {
		if value == nil || strings.HasSuffix(strings.ToLower(name), "trigger") {
			continue
		}
		if e.Metadata[name], err = encodeValue(value); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode envelope of %s: %w", c.function, err)
	}
	return body, nil
}

// encodeValue is the host's one rule for an entry of Data or Metadata: objects
// stay objects, bytes become base64, times ISO strings, and anything else a
// JSON string that contains its JSON text (so that a string arrives quoted twice).
func encodeValue(value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case []byte:
		return json.Marshal(base64.StdEncoding.EncodeToString(v))
	case time.Time:
		return json.Marshal(netTime(v))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode envelope value: %w", err)
	}
	switch reflect.Indirect(reflect.ValueOf(value)).Kind() {
	case reflect.Struct, reflect.Map:
		return text, nil
	}
	return json.Marshal(string(text))
}

// netTime writes a time as .NET's serializer does, year 1 for the time that never was.
func netTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999-07:00") }
