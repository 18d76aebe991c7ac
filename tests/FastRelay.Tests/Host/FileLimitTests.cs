using FastRelay.Config;
using FastRelay.Host;

namespace FastRelay.Tests.Host;

public sealed class FileLimitTests
{
    private static readonly RelayConfig s_default = RelayConfig.Default("host", "/");

    [Fact]
    public void Limits_that_fit_stay_as_they_are()
    {
        RelayConfig fitted = FileLimit.Fit(s_default, MemoryEstimate.Descriptors(s_default), out string? warning, out string? error);
        Assert.Same(s_default, fitted);
        Assert.Null(warning);
        Assert.Null(error);
    }

    [Theory]
    [InlineData(12_000)]
    [InlineData(4_096)]
    [InlineData(1_024)]
    public void Defaults_are_lowered_with_a_warning_until_they_fit(int allowed)
    {
        RelayConfig fitted = FileLimit.Fit(s_default, allowed, out string? warning, out string? error);
        Assert.Null(error);
        Assert.Contains($"allows {allowed} open files", warning);
        Assert.Contains($"receive_sessions 10000 -> {fitted.Limits.ReceiveSessions}", warning);
        Assert.Equal(allowed, MemoryEstimate.Descriptors(fitted));
        Assert.True(fitted.Limits.ReceiveSessions >= 64);
        Assert.True(fitted.Limits.SendSessions >= 64);
    }

    [Fact]
    public void Mail_that_is_taken_can_also_leave_both_kinds_of_sessions_shrink_by_the_same_share()
    {
        RelayConfig fitted = FileLimit.Fit(s_default, 2_000, out string? warning, out string? error);
        Assert.Null(error);
        Assert.Equal(2_000, MemoryEstimate.Descriptors(fitted));
        Assert.InRange(fitted.Limits.ReceiveSessions, (fitted.Limits.SendSessions * 5) - 5, (fitted.Limits.SendSessions * 5) + 10);
        Assert.Equal(s_default.Limits.DnsQueries, fitted.Limits.DnsQueries);
        Assert.Contains($"send_sessions 2000 -> {fitted.Limits.SendSessions}, receive_sessions 10000 -> {fitted.Limits.ReceiveSessions};", warning);
    }

    [Fact]
    public void What_the_configuration_asks_for_is_refused_rather_than_lowered()
    {
        RelayConfig asked = s_default with
        {
            Limits = s_default.Limits with { ReceiveSessions = 5_000 },
            LimitsSet = new HashSet<string> { "receive_sessions" },
        };
        FileLimit.Fit(asked, 4_096, out string? warning, out string? error);
        Assert.Null(warning);
        Assert.Contains("allows 4096", error);
        Assert.Contains("limits.receive_sessions (5000)", error);
        // The rest may still shrink beside it.
        RelayConfig beside = FileLimit.Fit(asked, 6_000, out warning, out error);
        Assert.Null(error);
        Assert.Equal(5_000, beside.Limits.ReceiveSessions);
        Assert.DoesNotContain("receive_sessions", warning);
    }

    [Fact]
    public void Nothing_is_started_with_too_few_files_for_anything()
    {
        FileLimit.Fit(s_default, 256, out _, out string? error);
        Assert.NotNull(error);
    }
}
