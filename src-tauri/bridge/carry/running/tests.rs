//! On a clock that is set forward: who is told how often, and what a cancelled carrying answers.

use super::*;
use std::{cell::Cell, future::pending};
use tokio::time::sleep;

fn meter() -> Meter {
    let id = "shop-k3f9".parse().unwrap();
    Meter::new(Carried { id, way: Way::In, name: "a.bin".into(), place: "/workspace".into(), nth: 1, of: 1 })
}

#[tokio::test(start_paused = true)]
async fn a_quick_one_is_not_told_of_and_a_long_one_ten_times_a_second() {
    let (meter, told) = (meter(), Cell::new(0));
    let tell = || told.set(told.get() + 1);
    let work = async {
        sleep(QUIET / 2).await;
        Ok(1)
    };
    assert_eq!(watched(&meter, tell, work).await, Ok(1));
    assert_eq!(told.get(), 0);
    let work = async {
        sleep(QUIET + BETWEEN * 9 + BETWEEN / 2).await;
        Ok(2)
    };
    assert_eq!(watched(&meter, tell, work).await, Ok(2));
    assert_eq!(told.get(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_one_ends_by_its_bytes_and_is_told_of_at_once() {
    let (meter, told) = (meter(), Cell::new(None));
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"more")));
    let mut bytes = until_cancelled(&meter, endless);
    let work = async {
        while let Some(piece) = bytes.next().await {
            meter.add(piece?.len() as u64);
            if meter.far(1).done == 400 {
                meter.transfer.cancel.cancel();
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let ended = watched(&meter, || told.set(Some(meter.far(1).cancelled)), work).await.unwrap_err();
    assert_eq!((ended.code, told.get()), (Code::Cancelled, Some(true)));
    assert_eq!(meter.far(1).done, 400);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_do_not_come_are_cancelled_too() {
    let meter = meter();
    let mut bytes = until_cancelled(&meter, stream::pending());
    meter.transfer.cancel.cancel();
    assert_eq!(bytes.next().await.unwrap().unwrap_err().code, Code::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_through_when_it_was_cancelled_is_done() {
    let meter = meter();
    meter.transfer.cancel.cancel();
    let work = async {
        sleep(GRACE / 2).await;
        Ok("written")
    };
    assert_eq!(watched(&meter, || (), work).await, Ok("written"));
}

#[tokio::test(start_paused = true)]
async fn one_that_moves_no_more_is_dropped() {
    let meter = meter();
    meter.transfer.cancel.cancel();
    let stuck = pending::<Result<(), Problem>>();
    assert_eq!(watched(&meter, || (), stuck).await.unwrap_err().code, Code::Cancelled);
}

#[test]
fn the_sum_is_told_once_it_is_known() {
    let meter = meter();
    assert_eq!(meter.far(7).total, None);
    meter.expect(0);
    meter.next("b.bin", 2);
    let told = serde_json::to_value(DesktopEvent::Carry(meter.far(7))).unwrap();
    let wanted = serde_json::json!({
        "kind": "carry", "carry": 7, "id": "shop-k3f9", "way": "in", "name": "b.bin", "place": "/workspace",
        "nth": 2, "of": 1, "done": 0, "total": 0, "cancelled": false,
    });
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn none_begins_once_the_app_ends_and_only_so_many_go_at_once() {
    let carries = Carries::default();
    let tokens: Vec<_> = (0..MOST).map(|_| CancellationToken::new()).collect();
    for token in &tokens {
        carries.begin(token).unwrap();
    }
    let one_more = CancellationToken::new();
    assert_eq!(carries.begin(&one_more).unwrap_err().code, Code::Limit);
    carries.cancel(3);
    assert!(tokens[2].is_cancelled() && !tokens[3].is_cancelled());
    carries.0.send_modify(|running| running.tokens.retain(|&number, _| number == 9));
    let (ended, ()) = tokio::join!(carries.end(), async {
        tokens[8].cancelled().await;
        carries.0.send_modify(|running| running.tokens.clear());
    });
    assert_eq!((ended, carries.begin(&one_more).unwrap_err().code), ((), Code::Cancelled));
}
