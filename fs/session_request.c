#include "fs/session_request.h"

int bfs_session_request(struct bfs_session *session, const json_t *request, json_t **ret_answer)
{
	(void)session;
	*ret_answer = json_pack("{s:s+}", "error",
		"no such request: ", json_string_value(json_object_get(request, "request")) ?: "?");
	return *ret_answer ? 0 : -ENOMEM;
}
