//! The table as Prisma creates it on MySQL, filled anew for each measurement.

use std::time::Duration;

use crate::process::Deadline;
use crate::servers::TestDatabase;

/// The server is given this long to forget the measurement before.
const QUIET: Duration = Duration::from_mins(1);

/// Pages that change all the time, whatever happens.
const FEW: i64 = 200;

/// Write out everything, as fast as the disk takes it.
const HURRY: &str = "SET GLOBAL innodb_io_capacity_max = 50000, GLOBAL innodb_io_capacity = 50000, \
                     GLOBAL innodb_max_dirty_pages_pct_lwm = 0, GLOBAL innodb_max_dirty_pages_pct = 0";

/// The server's defaults. Not `DEFAULT`, which for some of them is not what a server starts with.
const AS_USUAL: &str = "SET GLOBAL innodb_io_capacity = 200, GLOBAL innodb_io_capacity_max = 2000, \
                        GLOBAL innodb_max_dirty_pages_pct = 90, GLOBAL innodb_max_dirty_pages_pct_lwm = 0";

const COLUMNS: &str = "(id varchar(191) PRIMARY KEY, sessionToken varchar(191) NOT NULL, \
                       userId varchar(191) NOT NULL, expires datetime(3) NOT NULL) \
                       DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci";

/// The rows, once. Live ones last for another day, so that none expires while the measurements go on.
pub fn build_source(database: &TestDatabase, rows: u64) {
    eprintln!("building a table of {rows} rows");
    let expired = rows / 2;
    database.execute(&format!(
        "CREATE TABLE Source {COLUMNS};
         INSERT INTO Source SELECT CONCAT('c', LEFT(MD5(CONCAT('id', seq)), 24)), LEFT(SHA1(seq), 36),
            CONCAT('c', LEFT(MD5(seq DIV 3), 24)),
            UTC_TIMESTAMP(3) + INTERVAL ((CAST(seq AS SIGNED) - {expired}) * 2505600.0 / {rows} + IF(seq <= {expired}, -1, 86400)) SECOND
            FROM seq_1_to_{rows}"
    ));
}

/// Makes `Session` as it was before the measurement, and waits until the server is quiet.
pub fn refill(database: &TestDatabase) {
    database.execute(&format!(
        "DROP TABLE IF EXISTS Session; CREATE TABLE Session {COLUMNS};
         INSERT INTO Session SELECT * FROM Source ORDER BY id;
         ALTER TABLE Session ADD UNIQUE INDEX (sessionToken), ADD INDEX (userId), ADD INDEX (expires)"
    ));
    // These give rows, which a text of several statements must not.
    database.texts("ANALYZE TABLE Session");
    settle(database);
}

/// What has been changed is written out, and what has been deleted is purged.
fn settle(database: &TestDatabase) {
    let admin = database.admin();
    let status = |name: &str| {
        admin.count(&format!(
            "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = '{name}'"
        ))
    };
    admin.execute(HURRY);
    let deadline = Deadline::after(QUIET);
    while status("INNODB_BUFFER_POOL_PAGES_DIRTY") > FEW || status("INNODB_HISTORY_LIST_LENGTH") > FEW {
        if deadline.has_passed() {
            eprintln!("the server is still busy with the measurement before");
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    admin.execute(AS_USUAL);
}
