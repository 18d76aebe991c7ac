using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Admission;

public class ContentPaceTests
{
    [Theory]
    [InlineData(5_999, true)]
    [InlineData(6_000, false)]
    public void A_window_of_waiting_must_bring_its_octets(int octets, bool tooSlow)
    {
        var pace = new ContentPace(100);
        Assert.False(pace.IsTooSlow(ContentPace.WindowMs - 1, octets - 1));
        Assert.Equal(tooSlow, pace.IsTooSlow(1, 1));
    }

    [Fact]
    public void A_drip_is_found_after_a_minute_and_no_sooner()
    {
        var pace = new ContentPace(100);
        for (int second = 1; second < 60; second++)
        {
            Assert.False(pace.IsTooSlow(1_000, 1));
        }
        Assert.True(pace.IsTooSlow(1_000, 1));
    }

    [Fact]
    public void Time_that_the_client_is_not_waited_for_does_not_count()
    {
        var pace = new ContentPace(100);
        for (int i = 0; i < 10_000; i++)
        {
            Assert.False(pace.IsTooSlow(0, 1));
        }
    }

    [Fact]
    public void Each_window_begins_anew_and_no_rate_asks_for_nothing()
    {
        var pace = new ContentPace(100);
        Assert.False(pace.IsTooSlow(60_000, 1_000_000));
        Assert.True(pace.IsTooSlow(60_000, 1));
        var none = new ContentPace(0);
        Assert.False(none.IsTooSlow(600_000, 0));
    }
}
