// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";
import {Books} from "./Books.sol";
import {DividendShares} from "./DividendShares.sol";
import {LegList} from "./LegList.sol";

/// @title The revenue of one capacity, split
/// @notice See IRevenueSplitter for the whole documentation. The shares are in `DividendShares`.
contract RevenueSplitter is DividendShares {
    using FixedPointMathLib for uint256;
    using LibString for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    uint256 internal constant BPS = 1e4;
    uint256 internal constant MAX_EXTRA_TOKENS = 3;
    /// @dev With the protocol's leg there are never more than 8, and shares get at least a tenth.
    uint256 internal constant MAX_OWN_LEGS = 7;
    uint256 internal constant MAX_OWN_LEGS_BPS = 8000;

    enum Kind {
        OWN,
        FIXED,
        PROTOCOL,
        ENDED
    }

    /// @dev One word.
    struct LegAccount {
        address recipient;
        uint16 bps;
        Kind kind;
    }

    /// @dev What a leg has got of one token: one word. `base` is, of a leg that earns, the revenue
    /// from before it; of one that has ended, all that it was ever due.
    struct LegBooks {
        uint128 base;
        uint128 paid;
    }

    /// @inheritdoc IRevenueSplitter
    address public immutable FACTORY;
    /// @inheritdoc IRevenueSplitter
    IComputeLease public immutable LEASE;
    /// @inheritdoc IRevenueSplitter
    uint256 public immutable CAPACITY_ID;
    /// @inheritdoc IRevenueSplitter
    address public immutable STABLECOIN;

    /// @dev By token: the stablecoin at 0, the others from 1.
    Books[4] internal _books;
    address[3] internal _extraTokens;
    LegList internal _legList;
    mapping(uint256 leg => LegAccount) internal _legs;
    mapping(uint256 leg => mapping(uint256 token => LegBooks)) internal _legBooks;
    /// @dev By token: what all shares are due beyond revenue × sharesBps of now, times 10^4, from
    /// times when the legs took another part. Read only once the legs have changed.
    mapping(uint256 token => int256) internal _carried;

    /// @notice Safety rests on: the factory keeps its bounds; the engine's `netRevenueOf` never falls,
    /// and it counts a release before it moves the money; dividend tokens move exactly what they
    /// say. Liveness rests on: a token lets the engine and this contract pay.
    /// @param lease The engine that owes the rent of all capacities.
    /// @param capacity Whose revenue this is.
    /// @param stablecoin What the capacity settles in.
    /// @param supply Shares, 1 … 10^27.
    constructor(
        IComputeLease lease,
        uint256 capacity,
        address stablecoin,
        uint256 supply
    ) DividendShares(supply) {
        FACTORY = msg.sender;
        LEASE = lease;
        CAPACITY_ID = capacity;
        STABLECOIN = stablecoin;
    }

    /// @inheritdoc IRevenueSplitter
    function initialize(address holder, Leg[] calldata own, Leg calldata protocol) external {
        require(msg.sender == FACTORY, NotFactory(msg.sender));
        _requireReceiver(holder);

        LegList list = _addOwnLegs(_legList, own);
        if (protocol.bps != 0) list = _addLeg(list, protocol, Kind.PROTOCOL);
        _legList = list;
        _books[0] = _books[0].withSharesBps(_sharesBps(list));
        _mintAll(holder);
    }

    // ------------------------------------------------------------------ paying out

    /// @inheritdoc IRevenueSplitter
    function claim(address to) external returns (uint256 amount) {
        return _claim(msg.sender, to);
    }

    /// @inheritdoc IRevenueSplitter
    function claimFor(address holder) external returns (uint256 amount) {
        return _claim(holder, holder);
    }

    /// @inheritdoc IRevenueSplitter
    function claimToken(address token, address to) external returns (uint256 amount) {
        return _claimOne(_placeOf(token), msg.sender, to);
    }

    /// @inheritdoc IRevenueSplitter
    function claimTokenFor(address token, address holder) external returns (uint256 amount) {
        return _claimOne(_placeOf(token), holder, holder);
    }

    function _claim(address holder, address to) internal returns (uint256 amount) {
        Books books = _books[0];
        amount = _claimCoin(books, holder, to);
        for (uint256 token = books.extraTokens(); token != 0; --token) {
            _claimExtra(token, holder, to);
        }
    }

    function _claimOne(
        uint256 token,
        address holder,
        address to
    ) internal returns (uint256 amount) {
        if (token == 0) return _claimCoin(_books[0], holder, to);
        return _claimExtra(token, holder, to);
    }

    function _claimCoin(
        Books books,
        address holder,
        address to
    ) internal returns (uint256 amountDown) {
        unchecked {
            // Check
            _requireReceiver(to);
            uint256 index = _indexDown(0, books, _coinReceived(books));
            uint256 account = _accounts[holder];
            uint256 parts = _partsDue(holder, account, index);
            amountDown = parts.rawDiv(SUPPLY);
            if (amountDown == 0) return 0;

            // Effect
            _write(holder, account & MASK, parts - amountDown * SUPPLY, index);
        }
        emit DividendClaimed(holder, to, amountDown);
        _payCoin(books, to, amountDown);
    }

    function _claimExtra(
        uint256 token,
        address holder,
        address to
    ) internal returns (uint256 amountDown) {
        // Check
        _requireReceiver(to);
        amountDown = _extraDueDown(token, holder);
        if (amountDown == 0) return 0;

        // Effect
        unchecked {
            _corrections[token][holder] -= int256(amountDown * SUPPLY);
        }
        emit TokenDividendClaimed(_tokenAt(token), holder, to, amountDown);
        _payExtra(token, to, amountDown);
    }

    /// @inheritdoc IRevenueSplitter
    function claimLeg(uint256 leg, address to) external returns (uint256 amount) {
        amount = _claimLegOne(0, leg, to);
        uint256 extraTokens = _books[0].extraTokens();
        for (uint256 token = 1; token <= extraTokens; ++token) _claimLegOne(token, leg, to);
    }

    /// @inheritdoc IRevenueSplitter
    function claimLegToken(
        address token,
        uint256 leg,
        address to
    ) external returns (uint256 amount) {
        return _claimLegOne(_placeOf(token), leg, to);
    }

    function _claimLegOne(
        uint256 token,
        uint256 leg,
        address to
    ) internal returns (uint256 amountDown) {
        // Check
        LegAccount storage account = _ownLeg(leg);
        _requireReceiver(to);
        amountDown = _legDueDown(token, leg, account);
        if (amountDown == 0) return 0;

        // Effect
        _legBooks[leg][token].paid += uint128(amountDown); // below 9/10 of 2^129
        if (token == 0) {
            emit LegClaimed(leg, to, amountDown);
            _payCoin(_books[0], to, amountDown);
        } else {
            emit TokenLegClaimed(_tokenAt(token), leg, to, amountDown);
            _payExtra(token, to, amountDown);
        }
    }

    /// @dev The balance only tells whether there is a need to pull, never what is owed. The engine
    /// is asked in need only, so that what is here can be claimed whatever becomes of it.
    function _payCoin(Books books, address to, uint256 amount) internal {
        _books[0] = books.addPaid(amount);
        // Interaction
        if (STABLECOIN.balanceOf(address(this)) < amount) LEASE.release(CAPACITY_ID);
        STABLECOIN.safeTransfer(to, amount);
    }

    function _payExtra(uint256 token, address to, uint256 amount) internal {
        _books[token] = _books[token].addPaid(amount);
        // Interaction
        _tokenAt(token).safeTransfer(to, amount);
    }

    // ------------------------------------------------------------------ taking in

    /// @inheritdoc IRevenueSplitter
    function sync(address token) external returns (uint256 amount) {
        uint256 place = _placeOf(token);
        if (place != 0) return _syncExtra(place);
        (, uint256 released) = LEASE.revenueTotals(CAPACITY_ID);
        (, amount) = _find(0, STABLECOIN, released);
    }

    function _accrue() internal override returns (uint256 index, uint256 extraTokens) {
        (uint256 earned, uint256 released) = LEASE.revenueTotals(CAPACITY_ID);
        (Books books, ) = _find(0, STABLECOIN, released);
        extraTokens = books.extraTokens();
        for (uint256 token = 1; token <= extraTokens; ++token) _syncExtra(token);
        index = _indexDown(0, books, earned + books.direct());
    }

    function _syncExtra(uint256 token) internal returns (uint256 amount) {
        (, amount) = _find(token, _tokenAt(token), 0);
    }

    /// @dev Counts what came by plain transfer. All that ever came in is here or has been paid out.
    /// What was paid may exceed what has been counted as come in, if it was taken from money that is
    /// found only now. A token that does not answer has nothing here.
    /// @param released What the lease engine moved here.
    function _find(
        uint256 token,
        address account,
        uint256 released
    ) internal returns (Books books, uint256 amount) {
        books = _books[token];
        uint256 cameIn = account.balanceOf(address(this)) + books.paid();
        amount = cameIn.zeroFloorSub(released + books.direct()).min(books.room());
        if (amount == 0) return (books, 0);

        books = books.addDirect(amount);
        _books[token] = books;
        emit Synced(account, amount);
    }

    // ------------------------------------------------------------------ setting up

    /// @inheritdoc IRevenueSplitter
    function moveLeg(uint256 leg, address to) external {
        LegAccount storage account = _ownLeg(leg);
        _requireReceiver(to);
        account.recipient = to;
        emit LegMoved(leg, msg.sender, to);
    }

    /// @inheritdoc IRevenueSplitter
    function changeLegs(Leg[] calldata added) external {
        // Check
        _requireSoleHolder();

        // Effect
        (, uint256 extraTokens) = _accrue();
        Books books = _books[0];
        (LegList list, uint256[] memory ended) = _endLegs(_legList, extraTokens);
        uint256 first = list.ever();
        list = _addOwnLegs(list, added);
        _legList = list;
        uint256 sharesBps = _sharesBps(list);
        int256 change = int256(books.sharesBps()) - int256(sharesBps);
        for (uint256 token; token <= extraTokens; ++token) {
            _carry(token, first, list.ever(), change);
        }
        _books[0] = books.withSharesBps(sharesBps).withLegsChanged();
        emit LegsChanged(ended, first, added, sharesBps);
    }

    /// @dev Ends every leg that is not fixed.
    function _endLegs(
        LegList list,
        uint256 extraTokens
    ) internal returns (LegList kept, uint256[] memory ended) {
        uint256 count = list.earning();
        uint256 endedCount;
        ended = new uint256[](count);
        kept = list.withNone();
        for (uint256 i; i < count; ++i) {
            uint256 leg = list.at(i);
            if (_legs[leg].kind == Kind.OWN) {
                _endLeg(leg, extraTokens);
                ended[endedCount++] = leg;
            } else {
                kept = kept.withKept(leg);
            }
        }
        // Its length, which can only fall.
        assembly ("memory-safe") {
            mstore(ended, endedCount)
        }
    }

    /// @dev What it was ever due of each token stands in its books from now on.
    function _endLeg(uint256 leg, uint256 extraTokens) internal {
        LegAccount storage account = _legs[leg];
        for (uint256 token; token <= extraTokens; ++token) {
            LegBooks storage books = _legBooks[leg][token];
            books.base = (_legDueDown(token, leg, account) + books.paid).toUint128();
        }
        account.bps = 0;
        account.kind = Kind.ENDED;
    }

    /// @dev New legs have no part in revenue from before, and the shares keep theirs exactly.
    /// @param first Index of the first new leg.
    /// @param end The index after the last one.
    /// @param change What the shares had before less what they have now, in bps.
    function _carry(uint256 token, uint256 first, uint256 end, int256 change) internal {
        uint256 received = _received(token);
        for (uint256 leg = first; leg < end; ++leg) {
            _legBooks[leg][token].base = received.toUint128();
        }
        _carried[token] += int256(received) * change;
    }

    function _addOwnLegs(LegList list, Leg[] calldata added) internal returns (LegList) {
        for (uint256 i; i < added.length; ++i) {
            list = _addLeg(list, added[i], added[i].isFixed ? Kind.FIXED : Kind.OWN);
        }
        return list;
    }

    function _addLeg(LegList list, Leg calldata leg, Kind kind) internal returns (LegList longer) {
        _requireReceiver(leg.recipient);
        uint256 index = list.ever();
        require(leg.bps != 0, EmptyLeg(index));
        require(list.earning() <= MAX_OWN_LEGS, TooManyLegs(list.earning(), MAX_OWN_LEGS));
        longer = list.withNew();
        _legs[index] = LegAccount({recipient: leg.recipient, bps: leg.bps, kind: kind});
    }

    /// @dev What the legs that earn leave to the shares, if they keep their bounds.
    function _sharesBps(LegList list) internal view returns (uint256) {
        uint256 own;
        uint256 ownBps;
        uint256 protocolBps;
        for (uint256 i; i < list.earning(); ++i) {
            LegAccount memory account = _legs[list.at(i)];
            if (account.kind == Kind.PROTOCOL) {
                protocolBps = account.bps;
            } else {
                ++own;
                ownBps += account.bps;
            }
        }
        require(own <= MAX_OWN_LEGS, TooManyLegs(own, MAX_OWN_LEGS));
        require(ownBps <= MAX_OWN_LEGS_BPS, LegsTakeTooMuch(ownBps, MAX_OWN_LEGS_BPS));
        return BPS - ownBps - protocolBps;
    }

    /// @inheritdoc IRevenueSplitter
    function addToken(address token) external {
        // Check
        _requireSoleHolder();
        require(IRevenueSplitterFactory(FACTORY).isDividendToken(token), TokenNotAllowed(token));
        uint256 count = _books[0].extraTokens();
        require(count < MAX_EXTRA_TOKENS, TooManyTokens(MAX_EXTRA_TOKENS));
        for (uint256 place; place <= count; ++place) {
            require(_tokenAt(place) != token, TokenKnown(token));
        }

        // Effect
        _extraTokens[count] = token;
        _books[0] = _books[0].withExtraToken();
        emit TokenAdded(token, count + 1);
        _syncExtra(count + 1);
    }

    // ------------------------------------------------------------------ what is due

    /// @inheritdoc IRevenueSplitter
    function claimable(address holder) external view returns (uint256) {
        return _coinDueDown(holder);
    }

    /// @inheritdoc IRevenueSplitter
    function claimableOf(address token, address holder) external view returns (uint256) {
        uint256 place = _placeOf(token);
        return place == 0 ? _coinDueDown(holder) : _extraDueDown(place, holder);
    }

    /// @inheritdoc IRevenueSplitter
    function legClaimable(uint256 leg) external view returns (uint256) {
        return _legDueDown(0, leg, _legAt(leg));
    }

    /// @inheritdoc IRevenueSplitter
    function claimableByLeg(address token, uint256 leg) external view returns (uint256) {
        return _legDueDown(_placeOf(token), leg, _legAt(leg));
    }

    /// @inheritdoc IRevenueSplitter
    function dividendIndex() external view returns (uint256 index) {
        return _coinIndex();
    }

    /// @inheritdoc IRevenueSplitter
    function dividendIndexOf(address token) external view returns (uint256 index) {
        uint256 place = _placeOf(token);
        return _indexDown(place, _books[0], _received(place));
    }

    /// @inheritdoc IRevenueSplitter
    function totals() external view returns (uint256 received, uint256 paid) {
        return (_received(0), _books[0].paid());
    }

    /// @inheritdoc IRevenueSplitter
    function totalsOf(address token) external view returns (uint256 received, uint256 paid) {
        uint256 place = _placeOf(token);
        return (_received(place), _books[place].paid());
    }

    function _coinDueDown(address holder) internal view returns (uint256) {
        return _partsDue(holder, _accounts[holder], _coinIndex()) / SUPPLY;
    }

    /// @dev Never negative, see `DividendShares`.
    function _extraDueDown(uint256 token, address holder) internal view returns (uint256) {
        unchecked {
            uint256 shares = _accounts[holder] & MASK;
            int256 parts = int256(shares * _tokenIndex(token)) + _corrections[token][holder];
            return uint256(parts) / SUPPLY;
        }
    }

    function _legDueDown(
        uint256 token,
        uint256 leg,
        LegAccount storage account
    ) internal view returns (uint256) {
        LegBooks memory books = _legBooks[leg][token];
        if (account.kind == Kind.ENDED) return books.base - books.paid;
        return ((_received(token) - books.base) * account.bps) / BPS - books.paid;
    }

    function _coinIndex() internal view returns (uint256 index) {
        Books books = _books[0];
        return _indexDown(0, books, _coinReceived(books));
    }

    function _tokenIndex(uint256 token) internal view override returns (uint256 index) {
        return _indexDown(token, _books[0], _books[token].direct());
    }

    /// @dev The shares' part is rounded down once for all: the legs' own, each rounded down too,
    /// never exceed the rest. Below 2^143 before the division, so unchecked.
    function _indexDown(
        uint256 token,
        Books coinBooks,
        uint256 received
    ) internal view returns (uint256) {
        unchecked {
            uint256 due = received * coinBooks.sharesBps();
            if (coinBooks.changed()) due = uint256(int256(due) + _carried[token]);
            return due / BPS;
        }
    }

    function _received(uint256 token) internal view returns (uint256) {
        return token == 0 ? _coinReceived(_books[0]) : _books[token].direct();
    }

    function _coinReceived(Books books) internal view returns (uint256) {
        unchecked {
            return _earned() + books.direct(); // 128 bits and 110 bits
        }
    }

    /// @dev `LEASE.netRevenueOf(CAPACITY_ID)`, by hand: every claim asks, and every loan.
    function _earned() internal view returns (uint256 earned) {
        address lease = address(LEASE);
        uint256 capacity = CAPACITY_ID;
        bytes4 selector = IComputeLease.netRevenueOf.selector;
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, capacity)
            let done := staticcall(gas(), lease, 0x00, 0x24, 0x00, 0x20)
            if iszero(and(done, gt(returndatasize(), 0x1f))) {
                revert(0x00, 0x00)
            }
            earned := mload(0x00)
        }
    }

    // ------------------------------------------------------------------ what it is

    /// @inheritdoc ERC20
    function name() public view override returns (string memory) {
        return string.concat("Derrick Capacity ", CAPACITY_ID.toString(), " Revenue");
    }

    /// @inheritdoc ERC20
    function symbol() public view override returns (string memory) {
        return string.concat("dCAP-", CAPACITY_ID.toString());
    }

    /// @inheritdoc IRevenueSplitter
    function legOf(uint256 leg) external view returns (Leg memory) {
        LegAccount storage account = _legAt(leg);
        bool isFixed = account.kind == Kind.FIXED || account.kind == Kind.PROTOCOL;
        return Leg({recipient: account.recipient, bps: account.bps, isFixed: isFixed});
    }

    /// @inheritdoc IRevenueSplitter
    function legs() external view returns (uint256 count, uint256 bps) {
        return (_legList.ever(), BPS - _books[0].sharesBps());
    }

    /// @inheritdoc IRevenueSplitter
    function tokens() external view returns (address[] memory all) {
        all = new address[](tokenCount());
        for (uint256 place; place < all.length; ++place) all[place] = _tokenAt(place);
    }

    /// @inheritdoc IRevenueSplitter
    function tokenCount() public view returns (uint256) {
        return _books[0].extraTokens() + 1;
    }

    function _tokenAt(uint256 place) internal view returns (address) {
        return place == 0 ? STABLECOIN : _extraTokens[place - 1];
    }

    function _placeOf(address token) internal view returns (uint256 place) {
        if (token == STABLECOIN) return 0;
        uint256 extraTokens = _books[0].extraTokens();
        for (place = 1; place <= extraTokens; ++place) {
            if (_extraTokens[place - 1] == token) return place;
        }
        revert UnknownToken(token);
    }

    function _legAt(uint256 leg) internal view returns (LegAccount storage) {
        uint256 count = _legList.ever();
        require(leg < count, UnknownLeg(leg, count));
        return _legs[leg];
    }

    function _ownLeg(uint256 leg) internal view returns (LegAccount storage account) {
        account = _legAt(leg);
        require(msg.sender == account.recipient, NotLegRecipient(leg, msg.sender));
    }

    /// @dev Since an earlier moment: nobody who borrows all shares for one changes anything.
    function _requireSoleHolder() internal view {
        uint256 shares = balanceOf(msg.sender);
        require(shares == SUPPLY, NotSoleHolder(msg.sender, shares, SUPPLY));
        require(block.timestamp > _soleSince, SoleHolderTooNew(msg.sender, _soleSince));
    }
}
