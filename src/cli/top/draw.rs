//! What the screen looks like: a head, curves, services, queues, keys. The same
//! picture goes on paper, as plain text.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, Widget};

use super::snapshot::{Queue, Sample, Service};
use super::state::{ORDERS, State};
use super::text::{bytes, count, foreign, micros, rate, span};

const SOFT: Style = Style::new().add_modifier(Modifier::DIM);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const WARN: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// Rows of a curve with its title.
const CURVE_ROWS: u16 = 5;

/// A screen of fewer rows has no curves.
const ROWS_FOR_CURVES: u16 = 18;

/// Rows of the head: which skep, how it is, figures in one row or two.
const HEAD_ROWS: u16 = 4;

/// A screen of fewer columns leaves out what matters least.
const WIDE: u16 = 112;

/// A name, as far as it is shown.
const NAME: usize = 200;

pub fn screen(frame: &mut Frame, state: &mut State) {
    let area = frame.area();
    draw(area, frame.buffer_mut(), state, area.height >= ROWS_FOR_CURVES, true);
}

/// The picture as lines of text, as wide and as long as all of it takes.
pub fn plain(state: &mut State) -> String {
    let snapshot = &state.snapshot;
    let width = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| foreign(text, NAME).chars().count()).max();
    let names = width(&mut snapshot.services.iter().map(|service| service.name.as_str()));
    let filters = width(&mut snapshot.queues.iter().map(|queue| queue.filter.as_str()));
    let columns = WIDE as usize + names.unwrap_or(0).max(filters.unwrap_or(0));
    let rows = HEAD_ROWS as usize + snapshot.services.len() + snapshot.queues.len() + 6;
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    // A buffer holds no more than this many cells.
    let columns = size(columns).min(320);
    let area = Rect::new(0, 0, columns, size(rows).min(u16::MAX / columns));
    let mut buffer = Buffer::empty(area);
    draw(area, &mut buffer, state, false, false);
    let mut text = String::new();
    for row in area.rows() {
        let line: String = row.columns().map(|cell| buffer[(cell.x, cell.y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text
}

fn draw(area: Rect, buffer: &mut Buffer, state: &mut State, curves: bool, keys: bool) {
    let queues = queues_to_show(state);
    // Its title and its heading as well; services have the rest.
    let queue_rows = u16::try_from(queues.len() + 2).unwrap_or(u16::MAX).min((area.height / 3).max(3));
    let queue_rows = if keys { queue_rows } else { u16::try_from(queues.len() + 2).unwrap_or(u16::MAX) };
    let head_rows = HEAD_ROWS - u16::from(area.width >= WIDE);
    let [head, curve, services, queue, last] = Layout::vertical([
        Constraint::Length(head_rows),
        Constraint::Length(if curves { CURVE_ROWS } else { 0 }),
        Constraint::Min(3),
        Constraint::Length(queue_rows),
        Constraint::Length(u16::from(keys)),
    ])
    .areas(area);
    draw_head(head, buffer, state);
    if curves {
        draw_curves(curve, buffer, state);
    }
    draw_services(services, buffer, state);
    draw_queues(queue, buffer, &queues);
    if keys {
        draw_keys(last, buffer, state);
    }
}

fn draw_head(area: Rect, buffer: &mut Buffer, state: &State) {
    let (snapshot, overview) = (&state.snapshot, &state.snapshot.overview);
    let title = Line::from(vec![
        Span::styled("skep ", STRONG),
        Span::raw(foreign(&overview.version, 40)),
        Span::styled(format!("  {}  up {}", state.url, span(overview.uptime_s)), SOFT),
        Span::styled(if state.paused { "  paused" } else { "" }, WARN),
    ]);
    let last = snapshot.samples.last().copied().unwrap_or_default();
    let errors = snapshot.errors_lately();
    let figure = |name: &'static str, value: String, style: Style| {
        [Span::styled(name, SOFT), Span::styled(format!(" {value}   "), style)]
    };
    let figures = [
        figure("calls/s", rate(snapshot.calls_per_second()), STRONG),
        figure("median", micros(last.p50_us), STRONG),
        figure("95%", micros(last.p95_us), STRONG),
        figure("99%", micros(last.p99_us), STRONG),
        figure("waiting", count(snapshot.waiting()), STRONG),
        figure("errors/min", count(errors), if errors > 0 { WARN } else { STRONG }),
        figure("connections", count(snapshot.connections()), STRONG),
        figure("sessions", count(overview.bindings.sessions), STRONG),
    ];
    let mut lines = vec![title, verdict(state)];
    let in_a_row = if area.width >= WIDE { figures.len() } else { figures.len() / 2 };
    lines.extend(figures.chunks(in_a_row).map(|row| Line::from(row.concat())));
    Paragraph::new(Text::from(lines)).render(area, buffer);
}

/// Whether all is well, in one line.
fn verdict(state: &State) -> Line<'static> {
    if let Some((since, why)) = &state.lost {
        let gone = since.elapsed().as_secs();
        return Line::styled(format!("✕ connection lost for {}, trying again: {why}", span(gone)), BAD);
    }
    let problems = state.snapshot.problems();
    match problems.first() {
        None => Line::styled("✓ all is well", GOOD),
        Some(first) => {
            let more = if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
            Line::styled(format!("! {}{more}", foreign(first, NAME)), WARN)
        }
    }
}

fn draw_curves(area: Rect, buffer: &mut Buffer, state: &State) {
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(area);
    let most = |of: fn(&Sample) -> u64| state.snapshot.samples.iter().map(of).max().unwrap_or(0);
    let calls = format!(" calls/s, at most {} ", count(most(|sample| sample.calls)));
    draw_curve(left, buffer, state, calls, |sample| sample.calls, Color::Cyan);
    let slowest = format!(" latency, 99%, at most {} ", micros(most(|sample| sample.p99_us)));
    draw_curve(right, buffer, state, slowest, |sample| sample.p99_us, Color::Yellow);
}

/// The newest second on the right edge.
fn draw_curve(area: Rect, buffer: &mut Buffer, state: &State, title: String, of: fn(&Sample) -> u64, color: Color) {
    let block = Block::new().borders(Borders::TOP).border_style(SOFT).title(title);
    let inner = block.inner(area);
    block.render(area, buffer);
    let samples = &state.snapshot.samples;
    let room = inner.width as usize;
    let shown = &samples[samples.len().saturating_sub(room)..];
    let values = std::iter::repeat_n(0, room - shown.len()).chain(shown.iter().map(of));
    Sparkline::default().data(values.collect::<Vec<u64>>()).style(Style::new().fg(color)).render(inner, buffer);
}

fn draw_services(area: Rect, buffer: &mut Buffer, state: &mut State) {
    // Title and heading.
    let room = area.height.saturating_sub(2) as usize;
    let total = state.snapshot.services.len();
    state.scroll = state.scroll.min(total.saturating_sub(room));
    let (from, to) = (state.scroll, (state.scroll + room).min(total));
    let part = if to - from < total { format!(", {} to {to} of {total}", from + 1) } else { String::new() };
    let order = ORDERS.iter().find(|(_, order, _)| *order == state.order).map_or("", |(.., name)| name);
    let by = if state.reversed { format!("by {order}, least first") } else { format!("by {order}") };
    let block = title(format!(" Services {by}{part} "));
    if total == 0 {
        return Paragraph::new("No worker serves anything yet.").style(SOFT).block(block).render(area, buffer);
    }
    let services = state.services();
    let rows = services[from..to].iter().map(|service| service_row(state, service));
    draw_table(area, buffer, block, &SERVICE_COLUMNS, rows.collect());
}

fn service_row(state: &State, service: &Service) -> [Cell<'static>; SERVICE_COLUMNS.len()] {
    let nobody = service.workers == 0 && service.waiting > 0;
    [
        Cell::new(foreign(&service.name, NAME)),
        Cell::new(foreign(&service.backend, NAME)).style(SOFT),
        number(count(service.workers)).style(if nobody { BAD } else { Style::new() }),
        number(state.rate(service).map_or("-".to_owned(), rate)),
        number(count(service.calls)),
        number(count(service.waiting)).style(if service.waiting > 0 { WARN } else { Style::new() }),
        number(count(service.held)),
        number(micros(service.wait_p99_us)),
        number(micros(service.p50_us)),
        number(micros(service.p95_us)),
        number(micros(service.p99_us)).style(STRONG),
        number(count(service.errors)).style(if service.errors > 0 { WARN } else { Style::new() }),
    ]
}

/// The fullest first.
fn queues_to_show(state: &State) -> Vec<Queue> {
    let mut queues = state.snapshot.queues.clone();
    queues.sort_by(|a, b| (b.waiting, b.held).cmp(&(a.waiting, a.held)).then_with(|| a.filter.cmp(&b.filter)));
    queues
}

fn draw_queues(area: Rect, buffer: &mut Buffer, queues: &[Queue]) {
    let block = title(format!(" Work queues, {} ", count(queues.len() as u64)));
    if queues.is_empty() {
        return Paragraph::new("Nobody has a shared subscription.").style(SOFT).block(block).render(area, buffer);
    }
    let rows = queues.iter().map(|queue| {
        [
            Cell::new(foreign(&queue.filter, NAME)),
            Cell::new(foreign(&queue.group, NAME)).style(SOFT),
            Cell::new(foreign(&queue.bus, NAME)).style(SOFT),
            number(count(queue.members)),
            number(count(queue.waiting)).style(if queue.waiting > 0 { WARN } else { Style::new() }),
            number(micros(queue.oldest_ms * 1_000)),
            number(bytes(queue.bytes)),
            number(count(queue.held)),
        ]
    });
    draw_table(area, buffer, block, &QUEUE_COLUMNS, rows.collect());
}

fn draw_keys(area: Rect, buffer: &mut Buffer, state: &State) {
    let key = |key: String, name: &'static str, on: bool| {
        let style = if on { STRONG.add_modifier(Modifier::REVERSED) } else { STRONG };
        [Span::styled(format!(" {key} "), style), Span::styled(format!("{name} "), SOFT)]
    };
    let orders = ORDERS.iter().flat_map(|(char, order, name)| key(char.to_string(), name, *order == state.order));
    let rest = key("r".into(), "reverse", state.reversed).into_iter().chain(key("p".into(), "pause", state.paused));
    let ends = key("q".into(), "quit", false);
    Line::from(ends.into_iter().chain(orders).chain(rest).collect::<Vec<_>>()).render(area, buffer);
}

fn title(text: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).border_style(SOFT).title(Span::styled(text, STRONG))
}

fn draw_table<const N: usize>(
    area: Rect,
    buffer: &mut Buffer,
    block: Block,
    columns: &[Column; N],
    rows: Vec<[Cell<'static>; N]>,
) {
    let shown = |(_, column): &(usize, &Column)| area.width >= column.from;
    let shown: Vec<usize> = columns.iter().enumerate().filter(shown).map(|(at, _)| at).collect();
    let heading = shown.iter().map(|at| match columns[*at].width {
        Constraint::Length(_) => number(columns[*at].title.to_owned()),
        _ => Cell::new(columns[*at].title),
    });
    let heading = Row::new(heading).style(SOFT);
    let rows = rows.into_iter().map(|cells| {
        let cells = cells.into_iter().enumerate().filter(|(at, _)| shown.contains(at));
        Row::new(cells.map(|(_, cell)| cell))
    });
    let widths: Vec<Constraint> = shown.iter().map(|at| columns[*at].width).collect();
    Widget::render(Table::new(rows, widths).header(heading).block(block), area, buffer);
}

fn number(text: String) -> Cell<'static> {
    Cell::new(Line::from(text).right_aligned())
}

/// A column of a table.
struct Column {
    title: &'static str,
    /// A fixed one is of numbers.
    width: Constraint,
    /// Columns of the screen that it needs. A number has its width or is not
    /// shown: one without its first digits would be another number.
    from: u16,
}

const fn column(title: &'static str, width: Constraint) -> Column {
    Column { title, width, from: 0 }
}

const fn wide(title: &'static str, width: Constraint) -> Column {
    from(WIDE, title, width)
}

const fn from(from: u16, title: &'static str, width: Constraint) -> Column {
    Column { title, width, from }
}

const SERVICE_COLUMNS: [Column; 12] = [
    column("service", Constraint::Min(14)),
    wide("backend", Constraint::Max(12)),
    from(54, "workers", Constraint::Length(7)),
    column("calls/s", Constraint::Length(8)),
    wide("calls", Constraint::Length(11)),
    column("waiting", Constraint::Length(7)),
    wide("at work", Constraint::Length(7)),
    wide("wait 99%", Constraint::Length(8)),
    from(62, "median", Constraint::Length(7)),
    from(70, "95%", Constraint::Length(7)),
    column("99%", Constraint::Length(7)),
    from(46, "errors", Constraint::Length(6)),
];

const QUEUE_COLUMNS: [Column; 8] = [
    column("filter", Constraint::Min(14)),
    wide("group", Constraint::Max(12)),
    wide("bus", Constraint::Max(12)),
    from(39, "members", Constraint::Length(7)),
    column("waiting", Constraint::Length(7)),
    column("oldest", Constraint::Length(8)),
    wide("size", Constraint::Length(10)),
    from(47, "at work", Constraint::Length(7)),
];
