/*
 * The instance metadata service of EC2, version 2 (EC2 User Guide, "Use IMDSv2"): what an instance
 * is told about itself. It answers within a millisecond or, where there is none, never; so all of a
 * question takes a second at most.
 *
 * $AWS_EC2_METADATA_SERVICE_ENDPOINT ("http://HOST[:PORT]") and $AWS_EC2_METADATA_DISABLED ("true")
 * are honoured as by AWS's SDKs.
 */
#ifndef BFS_INDEX_METADATA_H
#define BFS_INDEX_METADATA_H

/*
 * The first line of /latest/meta-data/PATH ("placement/region"), at most 255 visible characters.
 * Allocated. -ENOENT where there is no such thing; -ETIMEDOUT, -ECONNREFUSED and the like where
 * there is no service.
 */
int bfs_metadata_get(const char *path, char **ret_line);

#endif
